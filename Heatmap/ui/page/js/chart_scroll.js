// Scrolls a chart to a place that the program names. The zoom stays as it is.

// Bring a logical position to the middle of the chart, and its price into sight.
//
// The time axis is moved in every version of the library. The price axis is moved only if the price is out of sight then,
// because that ends the axis' own scaling: from version 5.0 on, and on a normal scale (on others the library takes values of
// its own unit). The crosshair points at the place until the mouse moves.
function scrollChart(chart, series, logical, price) {
  const time = chart.timeScale(), range = time.getVisibleLogicalRange();
  if (!range) return;
  const half = (range.to - range.from) / 2;
  time.setVisibleLogicalRange({from: logical - half, to: logical + half});
  // The axis scales itself to the bars in sight in the next frame.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    if (!isInPage(chart.chartElement())) return;
    showPrice(series, price);
    const bar = series.dataByIndex(Math.round(logical));
    if (bar) chart.setCrosshairPosition(price, bar.time, series);
  }));
}

function showPrice(series, price) {
  const NORMAL = 0, scale = series.priceScale();
  if (typeof scale.setVisibleRange !== 'function' || scale.options().mode !== NORMAL) return;
  const range = scale.getVisibleRange();
  if (!range || (price > Math.min(range.from, range.to) && price < Math.max(range.from, range.to))) return;
  const half = (range.to - range.from) / 2;
  scale.setVisibleRange({from: price - half, to: price + half});
}
