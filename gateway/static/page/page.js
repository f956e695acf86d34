// Puts the page together: which market is shown, what each message changes, what the forms do.

import { call, get } from "./api.js";
import { Book, TRADES, Trades } from "./book.js";
import { Chart } from "./chart.js";
import { OwnOrders, orderOf } from "./orders.js";
import { Stream } from "./stream.js";

const field = (id) => document.getElementById(id);
const book = new Book(field("bids"), field("asks"), field("spread"));
const trades = new Trades(field("trades"));
const chart = new Chart(field("chart"));
const own = new OwnOrders(field("own-orders"), field("answer"), () => stream.token);
const STATUS = { gone: "connecting again", live: "live", core_unavailable: "the exchange is away", shutting_down: "closing" };
let markets = [];
let topics = [];

const stream = new Stream(take, (state, reason) => {
  field("status").textContent = STATUS[state] ?? state;
  field("status").className = state === "live" ? "live" : "gone";
  if (state === "gone" && stream.token === null) signedOut(reason);
});

function take(message) {
  const isShown = message.symbol === field("symbol").value;
  switch (message.type) {
    case "depth":
    case "depth_update": if (isShown) book.take(message); break;
    case "orderbook_update": if (isShown) book.best(message); break;
    case "trade_executed": if (isShown) trades.take(message); break;
    case "candle": chart.take(message); break;
    case "ticker": if (isShown) showTicker(message); break;
    case "market_state": if (isShown) showState(message.state); break;
    case "orders_snapshot": own.snapshot(message); break;
    case "order_update": own.update(message); break;
    case "authenticated": signedIn(message.user); break;
    case "error": failed(message);
  }
}

function showTicker(ticker) {
  field("last").textContent = ticker.last ?? "–";
  field("change").textContent = ticker.change ?? "–";
  field("change").className = ticker.change?.startsWith("-") ? "sell" : "buy";
  field("high").textContent = ticker.high ?? "–";
  field("low").textContent = ticker.low ?? "–";
  field("volume").textContent = ticker.volume;
  field("quote-volume").textContent = ticker.quote_volume;
}

function showState(state) {
  field("market-state").textContent = state === "open" ? "" : state.replace("_", " ");
}

function show() {
  for (const topic of topics) stream.unsubscribe(topic);
  const symbol = field("symbol").value, timeframe = field("timeframe").value;
  const market = markets.find((found) => found.symbol === symbol);
  book.clear();
  trades.clear();
  showState(market.state);
  topics = ["orderbook", "depth", "trades", "ticker"].map((channel) => ({ channel, symbol }));
  topics.push({ channel: "candles", symbol, timeframe });
  for (const topic of topics) stream.subscribe(topic);
  chart.show(market, timeframe);
  showTradesOfBefore(symbol);
}

async function showTradesOfBefore(symbol) {
  const shown = trades.told;
  const { data } = await get(`/api/v1/historical/trades/${encodeURIComponent(symbol)}?limit=${TRADES}`);
  if (shown === trades.told) trades.fill(data ? data.trades : []); // else another market is shown by now
}

function signedIn(user) {
  field("user").textContent = `signed in: ${user}`;
  field("place").disabled = false;
}

function signedOut(reason) {
  if (field("place").disabled) return;
  field("place").disabled = true;
  field("user").textContent = `signed out: ${reason}`;
  own.clear();
}

function failed(error) {
  if (["invalid_token", "token_expired"].includes(error.code)) {
    field("user").textContent = error.message;
    stream.token = null;
  }
}

field("symbol").onchange = field("timeframe").onchange = show;

field("type").onchange = () => {
  const type = field("type").value;
  field("price").disabled = field("time-in-force").disabled = !type.includes("limit");
  field("post-only").disabled = type !== "limit";
  field("stop-price").disabled = !type.startsWith("stop");
};

field("token-form").onsubmit = (event) => {
  event.preventDefault();
  own.clear();
  stream.signIn(field("token").value.trim());
  field("token").value = "";
};

field("order-form").onsubmit = async (event) => {
  event.preventDefault();
  field("place").disabled = true;
  const { data, error } = await call("POST", "/api/v1/orders", stream.token, orderOf(field("symbol").value, field));
  field("answer").textContent = error ? `${error.code}: ${error.message}` : `${data.order.status} ${data.order.order_id}`;
  field("place").disabled = stream.token === null;
};

async function begin() {
  const { data, error } = await get("/api/v1/markets");
  if (error || data.length === 0) {
    field("status").textContent = error ? error.message : "there are no markets yet";
    setTimeout(begin, 1000);
    return;
  }
  markets = data;
  field("symbol").replaceChildren(...markets.map(({ symbol }) => new Option(symbol)));
  show();
}

begin();
