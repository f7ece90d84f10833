// Makes the page transparent around its chart, reports its colours so that they can be painted natively, and restores
// them. Only plain colours are painted; a gradient of the chart counts as its upper colour.
class PageBackground {
  constructor(chart, element) {
    this._chart = chart;
    this._element = element;
    this._chartBackground = null;
    this.elements = [];
    for (let at = element; at; at = at.parentElement) this.elements.unshift(at); // outermost first
    this._makePageTransparent();
    this.keepChartTransparent();
  }

  // The host's style sheets may have other colours now, e.g. of a dark theme.
  reread() {
    this.restorePage();
    this._makePageTransparent();
  }

  _makePageTransparent() {
    this._layers = this.elements.map((at) => [at, colourOf(getComputedStyle(at).backgroundColor)]);
    // Each longhand separately: the shorthand reads as '' when the host set only the colour.
    this._styles = this.elements.map((at) => [at, Array.from(at.style).filter((name) => name.startsWith('background'))
      .map((name) => [name, at.style.getPropertyValue(name), at.style.getPropertyPriority(name)])]);
    for (const at of this.elements) at.style.setProperty('background', 'transparent', 'important');
  }

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
    const rootIsPainted = this._layers[0][1][3] > 0;
    const surfaces = [];
    const add = (box, colour) => { if (colour[3]) surfaces.push([box.x, box.y, box.width, box.height, ...colour]); };
    for (const [at, colour] of this._layers) {
      // CSS paints the root's background, or the body's where the root has none, over the whole window.
      const isCanvas = at === document.documentElement || (at === document.body && !rootIsPainted);
      const box = isCanvas ? {x: 0, y: 0, width: innerWidth, height: innerHeight} : at.getBoundingClientRect();
      add(box, colour);
    }
    const chart = this._chartBackground;
    if (chart) add(this._element.getBoundingClientRect(), colourOf(chart.type === 'solid' ? chart.color : chart.topColor));
    return surfaces;
  }

  restorePage() {
    for (const [at, declarations] of this._styles) {
      at.style.removeProperty('background');
      for (const [name, value, priority] of declarations) at.style.setProperty(name, value, priority);
      if (!at.getAttribute('style')) at.removeAttribute('style');
    }
  }

  restoreChart() {
    if (this._chartBackground) this._chart.applyOptions({layout: {background: this._chartBackground}});
  }
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
