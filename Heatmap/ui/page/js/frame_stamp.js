// Paints the number of a frame into the page; the program reads it from the frame buffer (geometry/frame_stamp.py).
//
// A stamp is a row of cells, one bit each: alpha 3/255, which is invisible, or nothing. It is painted several times,
// because a grid line, a candle or a label may cover one:
// - along the upper edge of the pane, which stays in place during a resize (the picture of a page that has just become
//   smaller lacks its lower right corner), and
// - at the lower right of the chart, where the last pixels of the time axis hold no label, not even the cross-hair's, and
//   the corner beside it holds nothing at all.
const STAMP_NUMBER_BITS = 16, STAMP_CHECK_BITS = 8, STAMP_CELLS = STAMP_NUMBER_BITS + STAMP_CHECK_BITS;

// The bits of a frame's number, lowest first, then those of its check sum: CRC-8 (polynomial 0x07) of both bytes, begun
// with 0xff, so that empty cells are no number.
function stampBits(number) {
  const kept = number % (1 << STAMP_NUMBER_BITS);
  let check = 0xff;
  for (const byte of [kept & 0xff, kept >> 8]) {
    check ^= byte;
    for (let step = 0; step < 8; step++) check = check & 0x80 ? ((check << 1) ^ 0x07) & 0xff : check << 1;
  }
  return Array.from({length: STAMP_CELLS}, (_, bit) => bit < STAMP_NUMBER_BITS
    ? (kept >> bit) & 1 : (check >> (bit - STAMP_NUMBER_BITS)) & 1);
}

class FrameStamp {
  constructor(chart, element) {
    this._chart = chart;
    this._element = element;
    this._edge = new StampStrip(element);
    this._corner = new StampStrip(element);
    this._placed = '';
    this._places = [];
  }

  // Paint a number and return where: [left, top, cell, copies] of each strip, in device pixels of the page.
  paint(number) {
    this._follow();
    const bits = stampBits(number);
    this._edge.paint(bits);
    this._corner.paint(bits);
    return this._places;
  }

  remove() {
    this._edge.remove();
    this._corner.remove();
  }

  _follow() {
    const CELL_PX = 2, EDGE_COPIES = 4, MARGIN_PX = 4;
    const ratio = window.devicePixelRatio, box = pageBox(this._element);
    const axis = this._chart.priceScale('left').width() * box.width / (this._element.offsetWidth || 1);
    const placed = [box.left, box.top, box.width, box.height, axis, ratio].join();
    if (placed === this._placed) return;
    this._placed = placed;
    const cell = Math.max(Math.round(CELL_PX * ratio), 2), width = cell * STAMP_CELLS;
    const left = Math.ceil((box.left + axis) * ratio), right = Math.floor((box.right - MARGIN_PX) * ratio);
    const copies = Math.min(Math.floor((right - left) / width), EDGE_COPIES);
    this._edge.place(left, Math.ceil(box.top * ratio - 0.01), cell, copies);
    this._corner.place(right - width, Math.floor(box.bottom * ratio + 0.01) - cell, cell, Math.min(copies, 1));
    this._places = copies < 1 ? [] : [this._edge.at, this._corner.at];
  }
}

// A canvas of one or more copies of a stamp, on whole device pixels of the page.
class StampStrip {
  constructor(element) {
    this._element = element;
    this._canvas = element.ownerDocument.createElement('canvas');
    this._canvas.setAttribute('aria-hidden', 'true');
    // A host's style sheet may apply to every canvas.
    this._style({all: 'initial', position: 'absolute', 'pointer-events': 'none', 'z-index': '2147483647'});
    this._context = this._canvas.getContext('2d');
    this.at = null;
  }

  place(left, top, cell, copies) {
    if (copies < 1) { this.remove(); return; }
    const ratio = window.devicePixelRatio, canvas = this._canvas;
    this.at = [left, top, cell, copies];
    canvas.width = cell * STAMP_CELLS * copies;
    canvas.height = cell;
    this._context.fillStyle = 'rgba(0, 0, 0, 0.012)'; // 3/255
    this._style({width: `${canvas.width / ratio}px`, height: `${cell / ratio}px`, left: '0px', top: '0px'});
    if (canvas.parentElement !== this._element) this._element.appendChild(canvas);
    // The origin of "absolute" depends on the host's styles, and a pixel's size on zoom and scale; so measure them.
    const origin = pageBox(canvas), scaleX = origin.width * ratio / canvas.width, scaleY = origin.height * ratio / cell;
    this._style({
      width: `${canvas.width / ratio / scaleX}px`, height: `${cell / ratio / scaleY}px`,
      left: `${(left / ratio - origin.x) / scaleX}px`, top: `${(top / ratio - origin.y) / scaleY}px`,
    });
  }

  paint(bits) {
    if (!this.at) return;
    const [, , cell, copies] = this.at;
    this._context.clearRect(0, 0, this._canvas.width, cell);
    for (let at = 0; at < copies * STAMP_CELLS; at++) {
      if (bits[at % STAMP_CELLS]) this._context.fillRect(at * cell, 0, cell, cell);
    }
  }

  remove() {
    this.at = null;
    this._canvas.remove();
  }

  _style(values) {
    for (const [name, value] of Object.entries(values)) this._canvas.style.setProperty(name, value, 'important');
  }
}
