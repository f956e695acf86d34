// Runs a flow of orders (CSV, see compare.py) through the npm package nodejs-order-book, again and again for some
// seconds. Usage: node nodejs_order_book.cjs FLOW SECONDS, with NODE_PATH naming where it is installed. Prints JSON.

const fs = require('fs')
const { OrderBook } = require('nodejs-order-book')

const CHECK_EVERY = 100 // commands between looks at the clock

const orderOf = (line, index) => {
  const [kind, side, price, quantity, target] = line.split(',')
  if (kind === 'C') return { cancel: 'o' + target }
  return {
    id: 'o' + index,
    side: side === 'B' ? 'buy' : 'sell',
    price: Number(price),
    size: Number(quantity),
    timeInForce: kind === 'I' ? 'IOC' : 'GTC',
  }
}

const round = (flow, deadline) => {
  const book = new OrderBook()
  let commands = 0
  let fills = 0
  let quantity = 0
  const started = process.hrtime.bigint()
  for (const order of flow) {
    if (order.cancel !== undefined) {
      book.cancel(order.cancel)
    } else {
      const result = book.limit(order)
      if (result.err) throw result.err
      for (const done of result.done) if (done.id !== order.id) fills += 1
      if (result.partial && result.partial.id !== order.id) fills += 1
      if (order.timeInForce === 'IOC') quantity += order.size - result.quantityLeft
    }
    commands += 1
    if (commands % CHECK_EVERY === 0 && process.hrtime.bigint() > deadline) break
  }
  return { commands, seconds: Number(process.hrtime.bigint() - started) / 1e9, fills, quantity }
}

const flow = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').map(orderOf)
const deadline = process.hrtime.bigint() + BigInt(process.argv[3]) * 1000000000n
let best = round(flow, deadline)
while (process.hrtime.bigint() < deadline) {
  const next = round(flow, deadline)
  if (next.commands === flow.length && next.seconds < best.seconds) best = next
}
console.log(JSON.stringify(best))
