// Order entry, and the table of one's own orders as order_update and orders_snapshot tell them.

import { call } from "./api.js";
import { row } from "./book.js";

const ROWS = 50;
const OPEN = ["PENDING", "OPEN", "PARTIALLY_FILLED"];

export class OwnOrders {
  // `token()` gives the user's token.
  constructor(table, answer, token) {
    this.table = table;
    this.answer = answer;
    this.token = token;
    this.rows = new Map(); // order_id -> row
  }

  clear() {
    this.rows.clear();
    this.table.replaceChildren();
  }

  snapshot(message) {
    this.clear();
    for (const order of message.orders) this.update(order);
  }

  update(order) {
    if (order.order_id === null) {
      this.answer.textContent = `rejected: ${order.reason}`;
      return;
    }
    const names = ["order_id", "symbol", "side", "status", "filled_quantity", "remaining_quantity", "average_price", "reason"];
    const made = row(names.map((name) => order[name] ?? ""), order.side);
    made.dataset.orderId = order.order_id;
    const cell = made.insertCell();
    if (OPEN.includes(order.status)) {
      const button = document.createElement("button");
      button.textContent = "Cancel";
      button.onclick = () => this.cancel(order.order_id);
      cell.append(button);
    }
    const before = this.rows.get(order.order_id);
    if (before === undefined) this.table.prepend(made);
    else before.replaceWith(made);
    this.rows.set(order.order_id, made);
    this.trim();
  }

  trim() {
    while (this.table.rows.length > ROWS) {
      const last = this.table.lastElementChild;
      this.rows.delete(last.dataset.orderId);
      last.remove();
    }
  }

  async cancel(orderId) {
    const { error } = await call("DELETE", `/api/v1/orders/${orderId}`, this.token());
    this.answer.textContent = error ? `${error.code}: ${error.message}` : `cancelled ${orderId}`;
  }
}

// -> the body of POST /orders as the form has it.
export function orderOf(symbol, field) {
  const type = field("type").value;
  const body = { symbol, side: field("side").value, type, quantity: field("quantity").value.trim() };
  if (type === "limit" || type === "stop_limit") {
    body.price = field("price").value.trim();
    body.time_in_force = field("time-in-force").value;
    if (type === "limit" && field("post-only").checked) body.post_only = true;
  }
  if (type === "stop" || type === "stop_limit") body.stop_price = field("stop-price").value.trim();
  return body;
}
