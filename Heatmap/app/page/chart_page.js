'use strict';
// The stand-alone program's chart: candles come over the channel, nothing from the network. `chart` and `series` are
// what the program names to HeatmapPlugin.attach, as any host would.
const BACKGROUND = '#0e1116', TEXT = '#aab2bf', GRID = 'rgba(170, 178, 191, 0.09)';
const NARROW_PX = 4; // a candle with less room is all border

const chart = LightweightCharts.createChart(document.getElementById('chart'), {
  autoSize: true,
  layout: {background: {type: 'solid', color: BACKGROUND}, textColor: TEXT, fontSize: 12},
  grid: {vertLines: {color: GRID}, horzLines: {color: GRID}},
  rightPriceScale: {borderColor: GRID, scaleMargins: {top: 0.1, bottom: 0.15}},
  timeScale: {borderColor: GRID, timeVisible: true, secondsVisible: false, rightOffset: 4},
  crosshair: {mode: LightweightCharts.CrosshairMode.Normal},
});
const series = chart.addSeries(LightweightCharts.CandlestickSeries);

const formats = new ChartFormats(chart, series);
const REPORT_AFTER_MS = 100; // the visible range is reported at most so often

const MOST_SINGLY = 50; // bars that are changed one by one; with more it is faster to set them all

const REPLAY_MARGIN = 0.2; // of the view, right of the bar that a replay has reached

let bars = [], version = 0;
let end = null; // in seconds, see `reached`
let look = {up: TEXT, down: TEXT, wide: {}, narrow: {}};
let applied = null; // of the look's options and colours, those that the series has
let pointedX = null; // where the cross-hair is, null outside of the chart

// A new bar moves the others beneath a cross-hair that rests, and the library reports no move then.
function pointedBar() {
  const logical = pointedX === null ? null : chart.timeScale().coordinateToLogical(pointedX);
  return logical === null ? null : series.dataByIndex(logical);
}

function barOf([time, open, high, low, close]) {
  return {time, open, high, low, close};
}

function showBar() {
  const line = document.getElementById('bar'), bar = pointedBar() || lastBar();
  if (!bar || bar.open === undefined) { line.textContent = ''; return; }
  const number = (value) => series.priceFormatter().format(value);
  line.textContent = `O ${number(bar.open)}  H ${number(bar.high)}  L ${number(bar.low)}  C ${number(bar.close)}`;
  line.style.color = colorOf(bar);
}

function colorOf(bar) {
  return bar.close >= bar.open ? look.up : look.down;
}

// The library would draw the price line like the newest body, which may be hollow.
function applyLook() {
  const options = chart.timeScale().options().barSpacing < NARROW_PX ? look.narrow : look.wide;
  const last = lastBar(), priceLineColor = last ? colorOf(last) : look.up;
  if (applied && applied.options === options && applied.priceLineColor === priceLineColor) return;
  applied = {options, priceLineColor};
  series.applyOptions({...options, priceLineColor});
}

// A replay has not reached the bars from `end` on: they keep their places, without prices.
function reached(bar) {
  return end === null || bar.time < end ? bar : {time: bar.time};
}

function lastBar() {
  return bars.findLast((bar) => reached(bar) === bar);
}

function setPriceFormat(format) {
  series.applyOptions({priceFormat: formats.priceFormat(format.precision, format.min_move)});
}

function scalePrices() {
  chart.priceScale('right').applyOptions({autoScale: true});
}

const MIN_BARS = 5;
let askedRange = null; // the chart takes a range with its next frame; keys may come sooner

function shownRange() {
  return askedRange || chart.timeScale().getVisibleLogicalRange();
}

function showRange(from, to) {
  askedRange = {from, to};
  chart.timeScale().setVisibleLogicalRange(askedRange);
  requestAnimationFrame(() => { askedRange = null; });
}

function moveView(share) {
  const range = shownRange();
  if (!range) return;
  const bars = (range.to - range.from) * share;
  showRange(range.from + bars, range.to + bars);
}

// The newest bar keeps its place if it is in view, else the middle does.
function zoomView(factor) {
  const range = shownRange();
  if (!range) return;
  const newest = series.data().length - 1, isLive = range.from <= newest && newest <= range.to;
  const fixed = isLive ? newest : (range.from + range.to) / 2;
  const scale = Math.max(factor, MIN_BARS / (range.to - range.from));
  showRange(fixed - (fixed - range.from) * scale, fixed + (range.to - fixed) * scale);
}

chart.subscribeCrosshairMove((move) => {
  pointedX = move.point ? move.point.x : null;
  showBar();
});

new QWebChannel(qt.webChannelTransport, (channel) => {
  const feed = channel.objects.candles, timeScale = chart.timeScale();
  let reportTimer = null;

  function reportView() {
    reportTimer = null;
    const range = timeScale.getVisibleLogicalRange();
    if (!range || !bars.length) return;
    feed.view_changed(JSON.stringify({from: range.from, to: range.to, bars: bars.length, version}));
  }

  function viewChanged() {
    applyLook();
    reportSoon();
  }

  function reportSoon() {
    if (reportTimer === null) reportTimer = setTimeout(reportView, REPORT_AFTER_MS);
  }

  function show(message, newBars) {
    version = message.version;
    bars = newBars;
    series.setData(end === null ? bars : bars.map(reached));
    if (message.view) timeScale.setVisibleLogicalRange(message.view);
    showBar();
    viewChanged();
  }

  timeScale.subscribeVisibleLogicalRangeChange(viewChanged);
  feed.lookReady.connect((text) => {
    look = JSON.parse(text);
    applyLook();
    showBar();
  });
  feed.historyReady.connect((text) => {
    const message = JSON.parse(text);
    setPriceFormat(message.format);
    // The next bars are those of another symbol.
    if (!message.bars.length) scalePrices();
    show(message, message.bars.map(barOf));
  });
  // The library counts the view from the newest bar: it stays when older ones are inserted.
  feed.olderReady.connect((text) => {
    const message = JSON.parse(text);
    show(message, message.bars.map(barOf).concat(bars));
  });
  feed.priceFormatReady.connect((text) => setPriceFormat(JSON.parse(text)));
  feed.formatsReady.connect((text) => {
    formats.show(JSON.parse(text));
    showBar();
  });
  feed.barReady.connect((text) => {
    const bar = barOf(JSON.parse(text)), last = bars[bars.length - 1];
    series.update(reached(bar));
    bars[last && bar.time === last.time ? bars.length - 1 : bars.length] = bar;
    applyLook();
    showBar();
  });
  feed.endRequested.connect((text) => {
    const before = end, range = timeScale.getVisibleLogicalRange();
    end = JSON.parse(text);
    const [low, high] = [before ?? Infinity, end ?? Infinity].sort((a, b) => a - b);
    const changed = bars.filter((bar) => bar.time >= low && bar.time < high);
    if (changed.length > MOST_SINGLY) series.setData(end === null ? bars : bars.map(reached));
    else for (const bar of changed) series.update(reached(bar), true);
    // The library moves the view with the last bar that has prices. It stays, unless that bar would leave it.
    if (range && changed.length) {
      const last = bars.findLastIndex((bar) => reached(bar) === bar), width = range.to - range.from;
      const isInView = last <= range.to && last >= range.from;
      const to = isInView || last < 0 ? range.to : last + REPLAY_MARGIN * width;
      timeScale.setVisibleLogicalRange({from: to - width, to});
    }
    applyLook();
    showBar();
  });
  feed.rangeRequested.connect((text) => {
    scalePrices();
    timeScale.setVisibleLogicalRange(JSON.parse(text));
  });
  feed.newestRequested.connect((margin) => timeScale.scrollToPosition(margin, false));
  feed.moveRequested.connect(moveView);
  feed.zoomRequested.connect(zoomView);
  feed.layoutReady.connect((text) => {
    const room = JSON.parse(text), style = document.documentElement.style;
    style.setProperty('--badge-width', `${room.badge_width}px`);
    style.setProperty('--badge-height', `${room.badge_height}px`);
    style.setProperty('--font-size', `${room.font_px}px`);
    chart.applyOptions({layout: {fontSize: room.font_px}});
  });
  feed.page_ready();
});
