// A second QWebChannel client on a page that may already have one.
//
// Qt gives a page one transport, and every QWebChannel client claims its `onmessage`. This port puts a dispatcher there:
// replies are distinguished by their id (each port has its own range above 2**40), signals by the object they belong to. The
// host's own client keeps working whether it was made before or comes later.
// Message types: Qt WebChannel, qwebchannel.js (signal 1, propertyUpdate 2, response 10).
function openChannelPort(transport, objectPrefix) {
  const RANGE = 2 ** 40, SIGNAL = 1, PROPERTY_UPDATE = 2, RESPONSE = 10;
  const range = window.__heatmapPorts = (window.__heatmapPorts || 0) + 1;
  let hostHandler = transport.onmessage;
  let closing = false;
  const port = {
    onmessage: null,
    send(text) {
      const message = JSON.parse(text);
      if (typeof message.id === 'number') message.id += range * RANGE;
      transport.send(JSON.stringify(message));
    },
  };

  function isOurs(message) {
    if (message.type === RESPONSE) return Math.floor(message.id / RANGE) === range;
    if (message.type === SIGNAL) return message.object.startsWith(objectPrefix);
    // The plugin's object has no properties; the host's client must see the updates of its own to answer "idle".
    return message.type === PROPERTY_UPDATE && !hostHandler;
  }

  function dispatch(event) {
    let message = event.data;
    if (typeof message === 'string') message = JSON.parse(message);
    if (!isOurs(message)) {
      if (hostHandler) hostHandler.call(transport, event);
      return;
    }
    if (message.type === RESPONSE) message.id -= range * RANGE;
    if (port.onmessage) port.onmessage({data: message});
    // The last message about the object; the host's client, which may not have it, would log an error.
    if (closing && message.type === SIGNAL) giveBack();
  }

  const getHandler = () => dispatch;
  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: getHandler,
    set: (handler) => { hostHandler = handler; },
  });

  function giveBack() {
    // A later port may lie above this one; it passes on what is not its own, and so does this one.
    if (Object.getOwnPropertyDescriptor(transport, 'onmessage').get !== getHandler) return;
    Object.defineProperty(transport, 'onmessage', {
      configurable: true, writable: true, enumerable: true, value: hostHandler,
    });
  }

  port.close = () => {
    port.onmessage = null;
    closing = true;
  };
  return port;
}
