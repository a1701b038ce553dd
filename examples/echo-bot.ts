// Answers every message, after `npm install mesh-chat`. Run it with:  node echo-bot.ts http://127.0.0.1:3001
// (Node 22.18 or newer reads TypeScript as it is; for an older one compile it with tsc.)
import { connect } from 'mesh-chat'

const [servers = 'http://127.0.0.1:3001'] = process.argv.slice(2)
const bot = await connect({ user: 'Echo', servers })
for await (const { from, text } of bot) {
  void bot.send(from, `You said: ${text}`)
}
