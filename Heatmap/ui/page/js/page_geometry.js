// Where the chart lies in the window: through shadow trees, frames, zoom and scale.

// The frame that shows an element's document; null in the page itself, or where the frame is of another origin.
function frameOf(element) {
  const view = element.ownerDocument.defaultView;
  return view ? view.frameElement : null;
}

// An element and all that surround it, outermost first. What is slotted lies in the tree of its slot.
function pathTo(element) {
  const path = [];
  for (let at = element; at; ) {
    path.unshift(at);
    const parent = at.assignedSlot || at.parentNode;
    if (!parent || parent.nodeType === Node.DOCUMENT_NODE) at = parent ? frameOf(at) : null;
    else at = parent.host || parent;
  }
  return path;
}

function isInPage(element) {
  for (let at = element; at && at.isConnected; at = frameOf(at)) if (at.ownerDocument === document) return true;
  return false;
}

// An element's border box, or another box in its document, in CSS pixels of the window.
function pageBox(element, box = element.getBoundingClientRect()) {
  let {x, y, width, height} = box;
  for (let frame = frameOf(element); frame; frame = frameOf(frame)) {
    const outer = frame.getBoundingClientRect(), style = getComputedStyle(frame);
    const scaleX = outer.width / frame.offsetWidth, scaleY = outer.height / frame.offsetHeight;
    x = outer.x + (frame.clientLeft + parseFloat(style.paddingLeft) + x) * scaleX;
    y = outer.y + (frame.clientTop + parseFloat(style.paddingTop) + y) * scaleY;
    width *= scaleX;
    height *= scaleY;
  }
  return {x, y, width, height, left: x, top: y, right: x + width, bottom: y + height};
}

function hasSize(element) {
  const {width, height} = element.getBoundingClientRect();
  return width > 0 && height > 0;
}

// True if the elements are moved and scaled only: neither turned, skewed, mirrored, nor seen in perspective.
function isUpright(path) {
  const whole = new DOMMatrix();
  for (const at of path) {
    const style = getComputedStyle(at);
    if (style.offsetPath && style.offsetPath !== 'none') return false;
    if (style.rotate && style.rotate !== 'none') {
      const [angle, ...axis] = style.rotate.split(' ').reverse();
      const vector = {x: [1, 0, 0], y: [0, 1, 0], z: [0, 0, 1]}[axis[0] || 'z'] || axis.map(Number).reverse();
      whole.rotateAxisAngleSelf(...vector, parseFloat(angle));
    }
    if (style.scale && style.scale !== 'none') {
      const [x, y = x] = style.scale.split(' ').map(Number);
      whole.scaleSelf(x, y);
    }
    if (style.transform !== 'none') {
      const own = new DOMMatrix(style.transform);
      own.m41 = own.m42 = own.m43 = 0;
      whole.multiplySelf(own);
    }
  }
  const {m11, m22, m12, m13, m14, m21, m23, m24} = whole;
  const least = 1e-6 * Math.min(m11, m22);
  return least > 0 && [m12, m13, m14, m21, m23, m24].every((value) => Math.abs(value) < least);
}
