#!/bin/sh
# Replies to each message; needs jq. Run: examples/echo-bot.sh Echo 3002
pipe=$(mktemp -u) && mkfifo "$pipe" && trap 'rm -f "$pipe"' EXIT
mesh-chat --json --user "$1" --port "$2" <"$pipe" |
  jq --unbuffered -c 'select(.type == "message" and .origin == "live") | {to: .from, text: "You said: \(.text)"}' >"$pipe"
