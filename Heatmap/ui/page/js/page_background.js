// Makes the page transparent around its chart, reports its colours so that they can be painted natively, and restores
// them. Plain colours are painted, and gradients from top to bottom in strips; other gradients in their mean colour.
//
// A style sheet does it, so the host's own styles stay as they are, and it may change them at any time. Its rules lie in a
// layer, because a layer's important declarations win over important ones outside; those that win over them are replaced.
const CLEARED = 'data-liquidation-heatmap';
const CLEAR = [['background-color', 'transparent'], ['background-image', 'none']];

class PageBackground {
  constructor(chart, element) {
    this._chart = chart;
    this._element = element;
    this._chartBackground = null;
    this.elements = pathTo(element); // outermost first
    this._sheets = new Map(); // by the document or shadow tree they are in
    this._inline = new Map(); // of elements that the sheet cannot clear: their style before and after
    this._signature = '';
    this.reread();
    this.keepChartTransparent();
  }

  // The host may have other colours now.
  reread() {
    const HOLD = 'transition-duration: 0s !important; transition-delay: 0s !important;';
    const clear = CLEAR.map(([name, value]) => `${name}: ${value} !important;`).join('');
    this._adoptSheets();
    // No transition of ours may start here, nor one of the host's be lost: it starts when styles are computed.
    const compute = () => this.elements.map((at) => ({
      at, colour: colourOf(getComputedStyle(at).backgroundColor), image: gradientOf(getComputedStyle(at).backgroundImage),
      backdrop: at.matches(':modal') ? colourOf(getComputedStyle(at, '::backdrop').backgroundColor) : null,
    }));
    compute();
    this._restoreInline();
    this._setRule(HOLD);
    this._layers = compute();
    this._setRule(clear + HOLD);
    compute();
    for (const at of this.elements) if (isPainted(at)) this._clearInline(at);
    compute();
    this._setRule(clear);
    this._signature = this._signatureOf();
  }

  // True if style sheets came, went or changed, or the page has other colours of text, since `reread`: there is no event
  // for that.
  hasChanged() { return this._signatureOf() !== this._signature; }

  // The host may set another colour at any time.
  keepChartTransparent() {
    const TRANSPARENT = 'rgba(0, 0, 0, 0)';
    const background = this._chart.options().layout.background;
    if (background.type === 'solid' && background.color === TRANSPARENT) return;
    this._chartBackground = {...background}; // a copy: the chart changes its options in place
    this._chart.applyOptions({layout: {background: {type: 'solid', color: TRANSPARENT}}});
  }

  // [left, top, width, height, red, green, blue, alpha] of each painted layer, outermost first: CSS pixels, 0 to 255.
  surfaces() {
    const surfaces = [];
    const add = (box, colour) => { if (colour[3]) surfaces.push([box.x, box.y, box.width, box.height, ...colour]); };
    const paint = (box, stops) => { for (const [part, colour] of stripsOf(box, stops)) add(part, colour); };
    let rootIsPainted = false;
    for (const {at, colour, image, backdrop} of this._layers) {
      const {documentElement, body} = at.ownerDocument;
      if (at === documentElement) rootIsPainted = colour[3] > 0 || image.length > 0;
      // CSS paints the root's background, or the body's where the root has none, over the whole window or frame.
      const isCanvas = at === documentElement || (at === body && !rootIsPainted), view = at.ownerDocument.defaultView;
      const whole = {x: 0, y: 0, width: view.innerWidth, height: view.innerHeight};
      // A dialog, or an element in full screen, lies on a layer of its own.
      if (backdrop) add(pageBox(at, whole), backdrop);
      const box = pageBox(at, isCanvas ? whole : at.getBoundingClientRect());
      add(box, colour);
      paint(box, image);
    }
    const chart = this._chartBackground, box = pageBox(this._element);
    if (chart && chart.type === 'solid') add(box, colourOf(chart.color));
    else if (chart) {
      // The time axis has the lower colour.
      const lower = colourOf(chart.bottomColor), axis = this._chart.timeScale().height() * box.height / this._element.offsetHeight;
      paint({...box, height: box.height - axis}, [[colourOf(chart.topColor), 0], [lower, 1]]);
      add({...box, y: box.y + box.height - axis, height: axis}, lower);
    }
    return surfaces;
  }

  restorePage() {
    this._restoreInline();
    for (const [root, sheet] of this._sheets) {
      root.adoptedStyleSheets = Array.from(root.adoptedStyleSheets).filter((other) => other !== sheet);
    }
    this._sheets.clear();
    for (const at of this.elements) at.removeAttribute(CLEARED);
  }

  restoreChart() {
    if (this._chartBackground) this._chart.applyOptions({layout: {background: this._chartBackground}});
  }

  _adoptSheets() {
    for (const at of this.elements) {
      if (!at.hasAttribute(CLEARED)) at.setAttribute(CLEARED, '');
      const root = at.getRootNode();
      if (!this._sheets.has(root)) this._sheets.set(root, new at.ownerDocument.defaultView.CSSStyleSheet());
      // The host may have replaced the list.
      const sheet = this._sheets.get(root);
      if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    }
  }

  _setRule(declarations) {
    for (const sheet of this._sheets.values()) {
      sheet.replaceSync(`@layer liquidation-heatmap { [${CLEARED}], [${CLEARED}]::backdrop { ${declarations} } }`);
    }
  }

  _clearInline(at) {
    const before = at.getAttribute('style');
    const saved = CLEAR.map(([name]) => [name, at.style.getPropertyValue(name), at.style.getPropertyPriority(name)]);
    for (const [name, value] of CLEAR) at.style.setProperty(name, value, 'important');
    this._inline.set(at, [before, at.getAttribute('style'), saved]);
  }

  // What the host has set since then stays.
  _restoreInline() {
    for (const [at, [before, after, saved]] of this._inline) {
      if (at.getAttribute('style') === after && before !== null) at.setAttribute('style', before);
      else saved.forEach(([name, value, priority], k) => {
        const isOurs = at.style.getPropertyValue(name) === CLEAR[k][1] && at.style.getPropertyPriority(name) !== '';
        if (isOurs) at.style.setProperty(name, value, priority); // an empty value removes it
      });
      if (!at.getAttribute('style')) at.removeAttribute('style');
    }
    this._inline.clear();
  }

  _signatureOf() {
    const sheets = [];
    for (const [root, own] of this._sheets) {
      const hosts = [...root.styleSheets, ...root.adoptedStyleSheets].filter((sheet) => sheet !== own);
      sheets.push(root.adoptedStyleSheets.includes(own), ...new Set(hosts.map(stateOf)));
    }
    const colours = this.elements.map((at) => getComputedStyle(at)).map((style) => style.color + style.colorScheme);
    return [...sheets, ...colours, this._element.style.background].join();
  }
}

function isPainted(element) {
  const style = getComputedStyle(element);
  return colourOf(style.backgroundColor)[3] > 0 || style.backgroundImage !== 'none';
}

// The stops of a computed background image from top to bottom: [colour, 0 to 1]; a single one with the mean colour if it is
// another gradient, none if it is no gradient at all.
function gradientOf(text) {
  const COLOUR = /rgba?\([^)]*\)|color\([^)]*\)|oklch\([^)]*\)/g;
  const DOWNWARD = /^linear-gradient\((180deg, |to bottom, )?((rgba?\([^)]*\))( [\d.]+%)?(, )?)+\)$/;
  if (!text.includes('gradient')) return [];
  const colours = (text.match(COLOUR) || []).map(colourOf);
  const mean = [0, 1, 2, 3].map((channel) => Math.round(
    colours.reduce((sum, colour) => sum + colour[channel], 0) / (colours.length || 1)));
  if (!DOWNWARD.test(text) || mean[3] < 255) return colours.length ? [[mean, 0]] : [];
  const places = text.split(/rgba?\([^)]*\)/).slice(1).map((rest) => /^ ([\d.]+)%/.exec(rest));
  return colours.map((colour, k) => [colour, places[k] ? places[k][1] / 100 : k / (colours.length - 1)]);
}

// A box as strips of one colour each, [box, colour], that show stops as `gradientOf` returns them.
function stripsOf(box, stops) {
  const STRIPS = 32;
  if (stops.length < 2) return stops.map(([colour]) => [box, colour]);
  const at = (share) => {
    const after = stops.findIndex(([, place]) => place >= share);
    if (after <= 0) return stops[after < 0 ? stops.length - 1 : 0][0];
    const [[low, from], [high, to]] = [stops[after - 1], stops[after]], part = (share - from) / (to - from);
    return low.map((value, channel) => Math.round(value + (high[channel] - value) * part));
  };
  // Each reaches to the bottom, and the next is painted over it.
  return Array.from({length: STRIPS}, (_, k) => [
    {...box, y: box.y + box.height * k / STRIPS, height: box.height * (STRIPS - k) / STRIPS}, at((k + 0.5) / STRIPS)]);
}

// What tells one state of a style sheet from another, as far as that is cheap.
const sheetNumbers = new WeakMap();
function numberOf(item) {
  if (!item) return 0;
  if (!sheetNumbers.has(item)) sheetNumbers.set(item, numberOf.last = (numberOf.last || 0) + 1);
  return sheetNumbers.get(item);
}
function stateOf(sheet) {
  let rules = [];
  try { rules = sheet.cssRules; } catch { /* of another origin */ }
  return [numberOf(sheet), sheet.disabled, sheet.media.mediaText, rules.length, numberOf(rules[0]),
    numberOf(rules[rules.length - 1])].join();
}

// Any CSS colour as [red, green, blue, alpha], 0 to 255: a canvas parses them all.
const knownColours = new Map();
function colourOf(text) {
  if (!knownColours.has(text)) {
    const context = document.createElement('canvas').getContext('2d');
    context.fillStyle = 'rgba(0, 0, 0, 0)'; // stays when the text is no colour
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    knownColours.set(text, Array.from(context.getImageData(0, 0, 1, 1).data));
  }
  return knownColours.get(text);
}
