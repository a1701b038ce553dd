#!/usr/bin/env node
import '../src/programs/require-node.ts'

await import('./program.ts')
