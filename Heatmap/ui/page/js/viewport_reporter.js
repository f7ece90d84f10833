// A series primitive that draws nothing on the chart: its renderer runs in the frame that draws the candles, reports where
// they are, and stamps the frame with the report's number.
class ViewportReporter {
  // `onFrame` sends bars and colours that have changed and returns the number of its messages so far: a report belongs
  // to what was sent before it.
  constructor(chart, series, bridge, stamp, onFrame) {
    this._chart = chart;
    this._series = series;
    this._bridge = bridge;
    this._stamp = stamp;
    this._onFrame = onFrame;
    // Not from 1: the last frame of an earlier chart may still be on the screen with a small number.
    this._frame = Math.floor(Math.random() * 1e6);
    this._last = '';
    this._requestUpdate = null;
    this.isTurned = false; // then x and y of the window are not those of the chart
    const renderer = {draw: (target) => target.useBitmapCoordinateSpace((scope) => this._report(scope))};
    const view = {zOrder: () => 'bottom', renderer: () => renderer};
    this._views = [view];
  }

  attached(parameter) { this._requestUpdate = parameter.requestUpdate; }

  detached() { this._requestUpdate = null; }

  // Called before every frame, also for a hidden series, which the library's versions draw or not.
  updateAllViews() { if (!this._series.options().visible) this.lose(); }

  paneViews() { return this._views; }

  // Ask the chart for a frame, so that a report follows.
  refresh() {
    this._last = '';
    if (this._requestUpdate) this._requestUpdate();
  }

  // The chart shows nothing that can be placed.
  lose() {
    if (this._last === 'lost') return;
    this._last = 'lost';
    this._bridge.viewport_lost();
  }

  _report(scope) {
    const sent = this._onFrame();
    const timeScale = this._chart.timeScale();
    const range = timeScale.getVisibleLogicalRange();
    // The chart names the pixel a line is drawn on; its middle is half a pixel of the canvas further.
    const {width, height} = scope.mediaSize;
    const halfX = 0.5 / scope.horizontalPixelRatio, halfY = 0.5 / scope.verticalPixelRatio;
    const priceTop = this._series.coordinateToPrice(-halfY);
    const priceBottom = this._series.coordinateToPrice(height - halfY);
    const isPlaced = this._series.options().visible && !this.isTurned && hasSize(this._chart.chartElement()) && height > 0;
    if (!isPlaced || !range || priceTop === null || priceBottom === null) { this.lose(); return; }
    const from = Math.floor(range.from), to = Math.ceil(range.to);
    const xFrom = timeScale.logicalToCoordinate(from), xTo = timeScale.logicalToCoordinate(to);
    if (xFrom === null || xTo === null || to <= from) { this.lose(); return; }
    // The chart's own pixels, in which it names x, may be zoomed or scaled.
    const pane = pageBox(scope.context.canvas), scale = pane.width / width;
    const message = {
      pane: [pane.left, pane.top, pane.width, pane.height],
      from, to, x_from: (xFrom + halfX) * scale, x_to: (xTo + halfX) * scale,
      price_top: priceTop, price_bottom: priceBottom,
      mode: this._series.priceScale().options().mode,
      ratio: window.devicePixelRatio,
      page: [Math.round(innerWidth * devicePixelRatio), Math.round(innerHeight * devicePixelRatio)],
    };
    const text = JSON.stringify([message, sent]);
    if (text === this._last) return;
    this._last = text;
    message.frame = ++this._frame;
    message.stamps = this._stamp.paint(this._frame);
    this._bridge.viewport_moved(JSON.stringify(message));
  }
}
