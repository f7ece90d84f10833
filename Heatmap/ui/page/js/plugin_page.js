// The page's side of the plugin: finds the chart, attaches the reporter, and restores the page.

// A short name of an element for a person who looks for it.
function selectorOf(element) {
  const id = element.id ? `#${element.id}` : '', classes = Array.from(element.classList, (name) => `.${name}`).join('');
  return `<${element.localName}${id}${classes}>`.slice(0, 100);
}

// The connection to one chart and one series.
class Attachment {
  constructor(chart, series, bridge) {
    this.chart = chart;
    this.series = series;
    this._bridge = bridge;
    this._element = chart.chartElement();
    this._page = new PageBackground(chart, this._element);
    this._stamp = new FrameStamp(chart, this._element);
    this._reporter = new ViewportReporter(chart, series, bridge, this._stamp, () => this._frameDrawn());
    this._detached = false;
    this._sent = 0;
    this._themeTimer = 0;
    this._bars = new BarRuns(series);
    this._lastSurfaces = this._lastPlace = '';
    this._dataChanged = this._dataChanged.bind(this);
    this._refresh = () => { if (this.isAlive) this._reporter.refresh(); };
    this._observer = new ResizeObserver(this._refresh);
    this._themeObserver = new MutationObserver((records) => {
      // The chart sets its own element's size.
      if (records.some(({target, attributeName}) => target !== this._element || attributeName !== 'style')) this._themeChanged();
    });
    for (const at of this._page.elements) this._themeObserver.observe(at, {attributes: true});
    this._undo = [];
    this._listenForChanges();
    series.subscribeDataChanged(this._dataChanged);
    this._sendBars();
    this._sendSurfaces();
    series.attachPrimitive(this._reporter);
    this._observer.observe(this._element);
    bridge.page_attached();
    this.watch();
  }

  get isAlive() { return isInPage(this._element); }

  // False if the host has moved its chart elsewhere in the document.
  get isWhereItWas() {
    const path = pathTo(this._element), before = this._page.elements;
    return path.length === before.length && path.every((at, k) => at === before[k]);
  }

  // The chart draws no frame when it is only pushed aside, turned, or hidden.
  watch() {
    if (this._page.hasChanged()) this._themeChanged();
    const box = pageBox(this._element), isTurned = !isUpright(this._page.elements);
    const place = [box.x, box.y, box.width, box.height, isTurned].join();
    if (place === this._lastPlace) return;
    this._lastPlace = place;
    if (isTurned !== this._reporter.isTurned) this._bridge.chart_turned(isTurned);
    this._reporter.isTurned = isTurned;
    if (hasSize(this._element) && !isTurned) this._reporter.refresh();
    else this._reporter.lose();
  }

  // What covers the chart's middle, or lies opaque beneath it, as far as the page's hit test finds it; else ''.
  coveredBy() {
    const box = pageBox(this._element), path = this._page.elements;
    let root = document, x = box.x + box.width / 2, y = box.y + box.height / 2;
    for (;;) {
      const found = root.elementsFromPoint(x, y);
      const others = found.filter((at) => !path.includes(at) && !this._element.contains(at));
      const cover = others.find(isPainted);
      if (cover) return selectorOf(cover);
      const inner = found.find((at) => path.includes(at) && (at.contentDocument || (at.shadowRoot && at.shadowRoot !== root)));
      if (!inner) return others.length ? selectorOf(others[0]) : '';
      if (inner.contentDocument) {
        const frame = inner.getBoundingClientRect();
        [root, x, y] = [inner.contentDocument, x - frame.x - inner.clientLeft, y - frame.y - inner.clientTop];
      } else root = inner.shadowRoot;
    }
  }

  detach() {
    this._detached = true;
    this._observer.disconnect();
    this._themeObserver.disconnect();
    clearTimeout(this._themeTimer);
    for (const step of this._undo) step();
    this._stamp.remove();
    this._page.restorePage();
    // A removed chart throws in its next frame when it is touched; its element has no parent. One that the host has only
    // taken out of the document may come back.
    if (!this._element.parentNode) return;
    for (const step of [
      () => this._page.restoreChart(),
      () => this.series.unsubscribeDataChanged(this._dataChanged),
      () => this.series.detachPrimitive(this._reporter),
    ]) {
      // The host may have removed the series; the rest must still be restored.
      try { step(); } catch (error) { console.info(`Heatmap: ${error}`); }
    }
  }

  // Style sheets that come, go or change are found by `watch`.
  _listenForChanges() {
    const listen = (target, name, handler, capture = false) => {
      target.addEventListener(name, handler, capture);
      this._undo.push(() => target.removeEventListener(name, handler, capture));
    };
    const AFTER_RESIZE_MS = 150;
    const themeChanged = () => this._themeChanged();
    const ended = (event) => { if (this._page.elements.includes(event.target)) this._themeChanged(); };
    for (const root of new Set(this._page.elements.map((at) => at.getRootNode()))) {
      for (const name of ['transitionend', 'animationend']) listen(root, name, ended);
      listen(root, 'fullscreenchange', themeChanged);
    }
    for (const view of new Set(this._page.elements.map((at) => at.ownerDocument.defaultView))) {
      listen(view, 'resize', this._refresh);
      listen(view, 'resize', () => this._themeChanged(AFTER_RESIZE_MS)); // a style sheet may depend on the width
      listen(view, 'scroll', this._refresh, true);
      listen(view.matchMedia('(prefers-color-scheme: dark)'), 'change', themeChanged);
    }
  }

  // Several changes come together; the page stays transparent meanwhile.
  _themeChanged(delay = 30) {
    if (this._themeTimer && delay === 30) return;
    clearTimeout(this._themeTimer);
    this._themeTimer = setTimeout(() => {
      this._themeTimer = 0;
      if (!this.isAlive || this._detached) return;
      this._page.reread();
      this._themeObserver.takeRecords(); // our own changes
      if (this._sendSurfaces()) this._refresh();
    }, delay);
  }

  _frameDrawn() {
    this._sendSurfaces();
    if (!this._bars.isInPlace()) this._readBars();
    // Not inside the chart's own drawing.
    queueMicrotask(() => { if (this.isAlive && !this._detached) this._page.keepChartTransparent(); });
    return this._sent;
  }

  _dataChanged(scope) {
    if (scope === 'update' && this._bars.extend()) this._sendBars();
    else this._readBars();
  }

  _readBars() {
    this._bars.read();
    this._sendBars();
  }

  // Only what has changed, in messages that the program takes; after a refused one, all.
  _sendBars() {
    const RUNS_PER_MESSAGE = 5000;
    const changes = this._bars.changes();
    if (!changes) return;
    const {keep, runs} = changes;
    for (let begin = 0, more = true; more; begin += RUNS_PER_MESSAGE) {
      more = begin + RUNS_PER_MESSAGE < runs.length;
      const text = JSON.stringify({segments: runs.slice(begin, begin + RUNS_PER_MESSAGE), keep: keep + begin, more});
      this._sent++;
      this._bridge.bars_changed(text, (taken) => { if (!taken) this._bars.forget(); });
    }
  }

  _sendSurfaces() {
    const text = JSON.stringify({ratio: window.devicePixelRatio, surfaces: this._page.surfaces()});
    if (text === this._lastSurfaces) return false;
    this._lastSurfaces = text;
    this._sent++;
    this._bridge.surfaces_changed(text);
    return true;
  }
}

// The function that a script of its own has left for an expression; that script does not run when it is no JavaScript.
function givenExpression(name, text) {
  const getter = window[`__heatmap_${name}`];
  delete window[`__heatmap_${name}`];
  if (getter) return getter;
  let reason = 'it is no JavaScript expression';
  // For the words of the error only: a page's policy may forbid it.
  try { new Function(`return (${text}\n)`); } catch (error) { if (error instanceof SyntaxError) reason += `: ${error.message}`; }
  return () => { throw new SyntaxError(reason); };
}

// The host may create its chart later than its page, and may replace it: keep looking at both expressions.
function followChart(getChart, getSeries, objectName) {
  const RETRY_MS = 50, WATCH_MS = 200;
  if (window.__heatmapDetach) window.__heatmapDetach();
  let port = null, bridge = null, attachment = null, timer = 0, left = false, missing = '';
  // The page's parts become transparent only when Qt paints their colours beneath: else a wrong colour would flash up.
  let asked = false, prepared = false;

  const evaluate = (name, getValue) => {
    let value, reason;
    try { value = getValue(); reason = `it is ${value}`; } catch (error) {
      reason = String(error);
      if (error.name === 'SecurityError') reason = 'it is in a frame of another origin, which the page cannot reach';
    }
    if (!value) missing = `${name}: ${reason}`;
    return value;
  };

  // The reason why no chart is found is reported on request only: a host may create its chart later.
  const find = () => {
    missing = '';
    const chart = evaluate('chart', getChart), series = chart && evaluate('series', getSeries);
    if (!chart || !series) return [null, null];
    if (typeof chart.chartElement !== 'function') missing = 'chart: it is no chart of Lightweight Charts 4.1 or newer';
    else if (typeof series.attachPrimitive !== 'function') missing = 'series: it is no series of Lightweight Charts 4.1 or newer';
    else if (!isInPage(chart.chartElement())) missing = 'chart: it is not in the document';
    return missing ? [null, null] : [chart, series];
  };

  const leave = () => {
    attachment.detach();
    attachment = null;
    bridge.page_left();
  };

  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(look, attachment ? WATCH_MS : RETRY_MS);
    if (!port) {
      missing = "the page's scripts do not see its web channel: it is in another JavaScript world. Call setWebChannel "
        + 'without a worldId';
      if (typeof qt === 'undefined' || !qt.webChannelTransport) return;
      missing = 'the web channel does not answer';
      port = openChannelPort(qt.webChannelTransport, objectName.replace(/[0-9]+$/, ''));
      new QWebChannel(port, (channel) => {
        if (left) return;
        bridge = channel.objects[objectName];
        bridge.prepared.connect(() => { prepared = true; if (!left) look(); });
        bridge.scrollRequested.connect((logical, price) => {
          if (attachment && attachment.isAlive) scrollChart(attachment.chart, attachment.series, logical, price);
        });
        look();
      });
    }
    if (!bridge) return;
    const [chart, series] = find();
    const isOther = attachment && (attachment.chart !== chart || attachment.series !== series);
    if (isOther || (attachment && !(attachment.isAlive && attachment.isWhereItWas))) leave();
    if (attachment) attachment.watch();
    else if (chart && prepared) attachment = new Attachment(chart, series, bridge);
    else if (chart && !asked) { asked = true; bridge.chart_found(); }
  };

  window.__heatmapMissing = () => attachment ? '' : missing;
  window.__heatmapCover = () => attachment ? attachment.coveredBy() : '';
  window.__heatmapDetach = () => {
    delete window.__heatmapCover;
    delete window.__heatmapDetach;
    delete window.__heatmapMissing;
    left = true;
    clearTimeout(timer);
    if (attachment) attachment.detach();
    attachment = null;
    if (port) port.close();
  };
  look();
}
