// The page side of the plugin: attaches the reporter, makes the backgrounds transparent, and puts everything back.
function transparentPage(chart) {
  const TRANSPARENT = 'rgba(0, 0, 0, 0)';
  const elements = [];
  for (let element = chart.chartElement ? chart.chartElement() : null; element; element = element.parentElement) {
    elements.push(element);
  }
  for (const element of [document.body, document.documentElement]) if (!elements.includes(element)) elements.push(element);
  // What the user saw behind the candles: the chart's own colour, else the nearest painted element around it.
  const painted = (color) => color && color !== 'transparent' && !/,\s*0\)$/.test(color);
  const chartBackground = chart.options().layout.background;
  let seen = chartBackground.type === 'gradient' ? chartBackground.topColor : chartBackground.color;
  if (!painted(seen)) {
    seen = elements.map((element) => getComputedStyle(element).backgroundColor).find(painted) || '#ffffff';
  }
  const styles = elements.map((element) => [
    element, element.style.getPropertyValue('background'), element.style.getPropertyPriority('background')]);
  for (const element of elements) element.style.setProperty('background', 'transparent', 'important');
  chart.applyOptions({layout: {background: {type: 'solid', color: TRANSPARENT}}});
  return {
    color: cssColor(seen),
    restore() {
      for (const [element, value, priority] of styles) {
        element.style.removeProperty('background');
        if (value) element.style.setProperty('background', value, priority);
      }
      chart.applyOptions({layout: {background: chartBackground}});
    },
  };
}

// Any CSS colour as [r, g, b], 0 to 255: a canvas knows them all.
function cssColor(text) {
  const context = document.createElement('canvas').getContext('2d');
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return Array.from(context.getImageData(0, 0, 1, 1).data.slice(0, 3));
}

// The host may create its chart later than its page: look again until both expressions have a value.
function whenReady(getChart, getSeries, then) {
  const RETRY_MS = 50, GIVE_UP_MS = 60000;
  const begun = performance.now();
  const look = () => {
    let chart, series, reason = 'is not there';
    try {
      chart = getChart();
      series = getSeries();
    } catch (error) {
      reason = String(error);
    }
    if (chart && series) then(chart, series);
    else if (performance.now() - begun < GIVE_UP_MS) setTimeout(look, RETRY_MS);
    else console.error(`Heatmap: the chart or its series ${reason}; check the two expressions given to attach()`);
  };
  look();
}

function attachHeatmap(chart, series, objectName) {
  if (window.__heatmapDetach) window.__heatmapDetach();
  const port = openChannelPort(qt.webChannelTransport, [objectName]);
  new QWebChannel(port, (channel) => {
    const bridge = channel.objects[objectName];
    const page = transparentPage(chart);
    const reporter = new ViewportReporter(chart, series, (text) => bridge.viewport_moved(text));
    let lastBars = '';
    const sendBars = () => {
      const text = JSON.stringify({segments: segmentsOf(series)});
      if (text === lastBars) return;
      lastBars = text;
      bridge.bars_changed(text);
    };
    const refresh = () => reporter.refresh();
    const observer = new ResizeObserver(refresh);
    series.subscribeDataChanged(sendBars);
    sendBars();
    series.attachPrimitive(reporter);
    window.addEventListener('resize', refresh);
    window.addEventListener('scroll', refresh, true);
    if (chart.chartElement) observer.observe(chart.chartElement());

    window.__heatmapDetach = () => {
      delete window.__heatmapDetach;
      observer.disconnect();
      window.removeEventListener('resize', refresh);
      window.removeEventListener('scroll', refresh, true);
      series.unsubscribeDataChanged(sendBars);
      series.detachPrimitive(reporter);
      page.restore();
      port.close();
    };
    bridge.page_attached(JSON.stringify({background: page.color}));
  });
}
