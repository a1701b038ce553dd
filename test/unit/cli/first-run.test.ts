/** The answers at the first run. */
import { expect, test } from 'vitest'
import { parseServer } from '../../../cli/first-run.ts'

test.each([
  ['http://chat.example:3001', 'http://chat.example:3001'],
  ['https://chat.example/', 'https://chat.example/'],
  ['chat.example:3001', 'http://chat.example:3001'],
  ['127.0.0.1', 'http://127.0.0.1'],
])('%s is a server', (answer, value) => {
  expect(parseServer(answer)).toEqual({ ok: true, value })
})

test.each(['ftp://chat.example', 'http://chat.example/path', 'two words', 'http://:x'])(
  '%s is not a server',
  answer => {
    expect(parseServer(answer)).toMatchObject({ ok: false })
  },
)
