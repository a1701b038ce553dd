#!/usr/bin/env node
// Replies to each message. Run:  examples/echo-bot.mjs --user Parrot --port 3002
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const chat = spawn('mesh-chat', ['--json', ...process.argv.slice(2)], { stdio: ['pipe', 'pipe', 'inherit'] })
for await (const line of createInterface({ input: chat.stdout })) {
  const event = JSON.parse(line)
  if (event.type !== 'message' || event.origin !== 'live') continue
  chat.stdin.write(`${JSON.stringify({ to: event.from, text: `You said: ${event.text}` })}\n`)
}
