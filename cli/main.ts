#!/usr/bin/env node
import '../src/programs/command-line/require-node.ts'

await import('./program.ts')
