// Paints the number of a frame into the page, so that whoever composes the frame can tell which one it is.
//
// One row of cells at the chart's lower edge, one bit each: alpha 3/255 or nothing, which no eye tells from nothing. The
// last few pixels of the time axis hold no label, not even the cross-hair's, and the corner beside it holds nothing.
// Heatmap/ui/frame_stamp.py reads it.
const STAMP_NUMBER_BITS = 16, STAMP_CHECK_BITS = 8;

// The bits of a frame's number, lowest first, then those of its check sum: CRC-8 (polynomial 0x07) of both bytes, begun
// with 0xff, so that an empty strip is no number.
function stampBits(number) {
  const kept = number % (1 << STAMP_NUMBER_BITS);
  let check = 0xff;
  for (const byte of [kept & 0xff, kept >> 8]) {
    check ^= byte;
    for (let step = 0; step < 8; step++) check = check & 0x80 ? ((check << 1) ^ 0x07) & 0xff : check << 1;
  }
  return Array.from({length: STAMP_NUMBER_BITS + STAMP_CHECK_BITS}, (_, bit) => bit < STAMP_NUMBER_BITS
    ? (kept >> bit) & 1 : (check >> (bit - STAMP_NUMBER_BITS)) & 1);
}

class FrameStamp {
  constructor(chart, element) {
    this._chart = chart;
    this._element = element;
    this._canvas = document.createElement('canvas');
    // A host's style sheet may have a word about every canvas.
    this._style({all: 'initial', position: 'absolute', 'pointer-events': 'none', 'z-index': '2147483647'});
    this._canvas.setAttribute('aria-hidden', 'true');
    this._context = this._canvas.getContext('2d');
    this._placed = '';
    this._place = null;
  }

  // Paint a number and return where: left, top and cell size in device pixels of the page; null if there is no room.
  paint(number) {
    this._follow();
    if (!this._place) return null;
    const [, , cell] = this._place, canvas = this._canvas;
    this._context.clearRect(0, 0, canvas.width, canvas.height);
    stampBits(number).forEach((bit, at) => { if (bit) this._context.fillRect(at * cell, 0, cell, cell); });
    return this._place;
  }

  remove() { this._canvas.remove(); }

  // Keep to the chart's lower right corner, on whole device pixels.
  _follow() {
    const MARGIN_PX = 4, CELL_PX = 2;
    const ratio = window.devicePixelRatio, box = this._element.getBoundingClientRect();
    const isRoomy = this._chart.timeScale().height() > 0 || this._chart.priceScale('right').width() > 0;
    const placed = [box.right, box.bottom, box.width, ratio, isRoomy].join();
    if (placed === this._placed) return;
    this._placed = placed;
    const cell = Math.max(Math.round(CELL_PX * ratio), 2);
    const width = cell * (STAMP_NUMBER_BITS + STAMP_CHECK_BITS);
    const left = Math.round((box.right - MARGIN_PX) * ratio) - width, top = Math.floor(box.bottom * ratio + 0.01) - cell;
    if (!isRoomy || left < box.left * ratio || top < box.top * ratio) {
      this._place = null;
      this._canvas.remove();
      return;
    }
    this._place = [left, top, cell];
    this._canvas.width = width;
    this._canvas.height = cell;
    this._context.fillStyle = 'rgba(0, 0, 0, 0.012)'; // 3/255
    this._style({width: `${width / ratio}px`, height: `${cell / ratio}px`, left: '0px', top: '0px'});
    if (this._canvas.parentElement !== this._element) this._element.appendChild(this._canvas);
    // What "absolute" counts from is the host's affair; so measure it.
    const origin = this._canvas.getBoundingClientRect();
    this._style({left: `${left / ratio - origin.left}px`, top: `${top / ratio - origin.top}px`});
  }

  _style(values) {
    for (const [name, value] of Object.entries(values)) this._canvas.style.setProperty(name, value, 'important');
  }
}
