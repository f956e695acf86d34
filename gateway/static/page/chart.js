// Candles: what the history has, then what the stream tells. Numbers are for drawing alone.

import { get } from "./api.js";

const COUNT = 300;
const SECONDS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400 };

export class Chart {
  constructor(element) {
    this.chart = LightweightCharts.createChart(element, {
      autoSize: true,
      layout: { background: { color: "#14181d" }, textColor: "#929aa5", attributionLogo: true },
      grid: { vertLines: { color: "#20262d" }, horzLines: { color: "#20262d" } },
      timeScale: { timeVisible: true },
    });
    this.series = this.chart.addSeries(LightweightCharts.CandlestickSeries, { upColor: "#3fb68b", downColor: "#ff5c66" });
  }

  async show(market, timeframe) {
    this.shown = `${market.symbol} ${timeframe}`;
    this.lastTime = 0;
    this.series.setData([]);
    const minMove = Number(market.tick_size);
    this.series.applyOptions({ priceFormat: { type: "price", precision: market.price_scale, minMove } });
    const wanted = this.shown;
    const start = new Date(Date.now() - COUNT * SECONDS[timeframe] * 1000).toISOString();
    const path = `/api/v1/candles/${encodeURIComponent(market.symbol)}?tf=${timeframe}&start=${start}`;
    const { data } = await get(path);
    if (!data || this.shown !== wanted) return; // without a database there is no history
    const candles = (Array.isArray(data) ? data : data.candles ?? []).map(drawn);
    if (candles.length === 0 || candles.at(-1).time < this.lastTime) return;
    this.series.setData(candles);
    this.lastTime = candles.at(-1).time;
    this.chart.timeScale().fitContent();
  }

  take(message) {
    const candle = drawn(message);
    if (`${message.symbol} ${message.timeframe}` !== this.shown || candle.time < this.lastTime) return;
    this.lastTime = candle.time;
    this.series.update(candle);
  }
}

function drawn(candle) {
  const [open, high, low, close] = [candle.open, candle.high, candle.low, candle.close].map(Number);
  return { time: Math.floor(Date.parse(candle.start) / 1000), open, high, low, close };
}
