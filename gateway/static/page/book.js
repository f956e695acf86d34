// The order book and the list of trades: depth, depth_update and trade_executed as tables.

const LEVELS = 12;
export const TRADES = 30;

// -> the row, with a cell for each text.
export function row(texts, className = "") {
  const made = document.createElement("tr");
  for (const text of texts) made.insertCell().textContent = text;
  made.className = className;
  return made;
}

const byPrice = (one, other) => Number(one[0]) - Number(other[0]);

export class Book {
  constructor(bids, asks, spread) {
    this.tables = { bids, asks };
    this.spread = spread;
    this.clear();
  }

  clear() {
    this.sides = { bids: new Map(), asks: new Map() }; // price -> quantity, both text
    this.isDue = false;
    this.draw();
  }

  take(message) {
    for (const side of ["bids", "asks"]) {
      if (message.type === "depth") this.sides[side].clear();
      for (const [price, quantity] of message[side]) {
        if (Number(quantity) === 0) this.sides[side].delete(price);
        else this.sides[side].set(price, quantity);
      }
    }
    if (!this.isDue) requestAnimationFrame(() => this.draw());
    this.isDue = true;
  }

  draw() {
    this.isDue = false;
    const bids = [...this.sides.bids].sort((a, b) => byPrice(b, a)).slice(0, LEVELS);
    const asks = [...this.sides.asks].sort(byPrice).slice(0, LEVELS);
    this.tables.bids.replaceChildren(...bids.map((level) => row(level, "buy")));
    this.tables.asks.replaceChildren(...asks.reverse().map((level) => row(level, "sell")));
  }

  // An orderbook_update.
  best(message) {
    this.spread.textContent = message.spread === null ? "–" : `spread ${message.spread}`;
  }
}

export class Trades {
  constructor(table) {
    this.table = table;
    this.clear();
  }

  clear() {
    this.table.replaceChildren();
    this.told = new Set(); // trade_ids, until fill()
  }

  // A trade_executed.
  take(message) {
    this.told?.add(message.trade_id);
    this.table.prepend(this.row(message));
    while (this.table.rows.length > TRADES) this.table.lastElementChild.remove();
  }

  // Once: the trades of before, the newest first. Some may have been told meanwhile.
  fill(trades) {
    const missing = trades.filter((trade) => !this.told.has(trade.trade_id));
    this.told = null;
    for (const trade of missing.slice(0, TRADES - this.table.rows.length)) this.table.append(this.row(trade));
  }

  row({ price, quantity, timestamp, taker_side }) {
    return row([price, quantity, timestamp.slice(11, 19)], taker_side);
  }
}
