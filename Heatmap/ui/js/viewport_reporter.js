// A series primitive that paints nothing: its renderer runs in the frame that draws the candles and reports where they are.
class ViewportReporter {
  constructor(chart, series, send) {
    this._chart = chart;
    this._series = series;
    this._send = send;
    this._frame = 0;
    this._last = '';
    this._requestUpdate = null;
    const renderer = {draw: (target) => target.useBitmapCoordinateSpace((scope) => this._report(scope))};
    const view = {zOrder: () => 'bottom', renderer: () => renderer};
    this._views = [view];
  }

  attached(parameter) { this._requestUpdate = parameter.requestUpdate; }

  detached() { this._requestUpdate = null; }

  updateAllViews() {}

  paneViews() { return this._views; }

  // Ask the chart for a frame, so that a report follows.
  refresh() {
    this._last = '';
    if (this._requestUpdate) this._requestUpdate();
  }

  _report(scope) {
    const timeScale = this._chart.timeScale();
    const range = timeScale.getVisibleLogicalRange();
    const height = scope.mediaSize.height;
    const priceTop = this._series.coordinateToPrice(0);
    const priceBottom = this._series.coordinateToPrice(height);
    if (!range || priceTop === null || priceBottom === null || height <= 0) return;
    const from = Math.floor(range.from), to = Math.ceil(range.to);
    const xFrom = timeScale.logicalToCoordinate(from), xTo = timeScale.logicalToCoordinate(to);
    if (xFrom === null || xTo === null || to <= from) return;
    const pane = scope.context.canvas.getBoundingClientRect();
    const message = {
      pane: [pane.left, pane.top, pane.width, pane.height],
      from, to, x_from: xFrom, x_to: xTo,
      price_top: priceTop, price_bottom: priceBottom,
      mode: this._series.priceScale().options().mode,
      ratio: window.devicePixelRatio,
    };
    const text = JSON.stringify(message);
    if (text === this._last) return;
    this._last = text;
    message.frame = ++this._frame;
    this._send(JSON.stringify(message));
  }
}
