// A second QWebChannel client on a page that may already have one.
//
// Qt gives a page one transport, and every QWebChannel client claims its `onmessage`. This port puts a dispatcher there:
// replies are told apart by their id (the plugin's are offset by 2**40), signals by the object they belong to. The host's
// own client keeps working whether it was made before or comes later.
// Message types: Qt WebChannel, qwebchannel.js (signal 1, propertyUpdate 2, response 10).
function openChannelPort(transport, ownObjects) {
  const OFFSET = 2 ** 40;
  const SIGNAL = 1, PROPERTY_UPDATE = 2, RESPONSE = 10;
  let hostHandler = transport.onmessage;
  const port = {
    onmessage: null,
    send(text) {
      const message = JSON.parse(text);
      if (typeof message.id === 'number') message.id += OFFSET;
      transport.send(JSON.stringify(message));
    },
  };

  function isOurs(message) {
    if (message.type === RESPONSE) return message.id >= OFFSET;
    if (message.type === SIGNAL) return ownObjects.includes(message.object);
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
    if (message.type === RESPONSE) message.id -= OFFSET;
    if (port.onmessage) port.onmessage({data: message});
  }

  Object.defineProperty(transport, 'onmessage', {
    configurable: true,
    get: () => dispatch,
    set: (handler) => { hostHandler = handler; },
  });

  port.close = () => {
    port.onmessage = null;
    Object.defineProperty(transport, 'onmessage', {
      configurable: true, writable: true, enumerable: true, value: hostHandler,
    });
  };
  return port;
}
