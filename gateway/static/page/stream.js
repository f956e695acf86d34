// The one WebSocket of the page: keeps what is subscribed to subscribed, comes back after a cut, and asks for what its
// user has missed. Decimals stay text.

const RETRY_MS_MIN = 500, RETRY_MS_MAX = 10_000;

export class Stream {
  // `take(message)` gets every message, `changed(state)` "live", "gone" or "core_unavailable".
  constructor(take, changed) {
    this.take = take;
    this.changed = changed;
    this.topics = new Map(); // text -> {channel, ...}
    this.token = null;
    this.sequence = null; // of the last message about own orders
    this.retryMs = RETRY_MS_MIN;
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/ws`);
    this.socket.onopen = () => {
      this.retryMs = RETRY_MS_MIN;
      this.changed("live");
      for (const topic of this.topics.values()) this.send({ type: "subscribe", ...topic });
      this.beginOrders();
    };
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = (event) => {
      if (event.code === 4401) this.token = this.sequence = null;
      this.changed("gone", event.reason);
      setTimeout(() => this.connect(), this.retryMs);
      this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX);
    };
  }

  receive(message) {
    if (message.type === "venue_status") this.changed(message.status);
    if (["order_update", "orders_snapshot"].includes(message.type)) this.sequence = message.sequence;
    if (["subscribed", "resumed"].includes(message.type) && message.channel === "orders") this.sequence = message.sequence;
    this.take(message);
  }

  send(request) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  subscribe(topic) {
    this.topics.set(JSON.stringify(topic), topic);
    this.send({ type: "subscribe", ...topic });
  }

  unsubscribe(topic) {
    this.topics.delete(JSON.stringify(topic));
    this.send({ type: "unsubscribe", ...topic });
  }

  signIn(token) {
    const isAnother = this.token !== null && this.token !== token;
    this.token = token;
    this.sequence = null;
    if (isAnother) this.socket.close(); // a socket stays one user's
    else this.beginOrders();
  }

  beginOrders() {
    if (this.token === null) return;
    this.send({ type: "authenticate", token: this.token });
    const begin = this.sequence === null ? { type: "subscribe" } : { type: "resume", sequence: this.sequence };
    this.send({ ...begin, channel: "orders" });
  }
}
