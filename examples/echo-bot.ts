// Replies to each message. After `npm install mesh-chat`, run:  node echo-bot.ts http://127.0.0.1:3001
// (Node.js 22.18 or newer runs TypeScript; compile it with tsc for older versions.)
import { connect } from 'mesh-chat'

const [servers = 'http://127.0.0.1:3001'] = process.argv.slice(2)
const bot = await connect({ user: 'Parrot', servers })
for await (const { from, text } of bot) {
  void bot.send(from, `You said: ${text}`)
}
