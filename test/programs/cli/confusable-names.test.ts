/** Confusable names in what the programs print. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
  untilToldOnline,
} from '../../support/programs/processes.ts'

afterAll(stopAll)

test('line mode, JSON mode and `who` mark confusable names', async () => {
  const folder = temporaryFolder()
  const [port = 0] = await freePorts(1)
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const server = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'])
  await until('it listens', () => server.out.includes('Listening'))
  const env = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const client = (user: string, ...more: string[]) =>
    new Program('cli', ['--user', user, '--port', `${port}`, '--no-history', ...more], env)
  const anna = client('Anna', '--plain')
  const lines = client('Billy', '--plain')
  const json = client('Billy', '--json')
  const other = client('Аnna', '--plain', '--to', 'Billy')
  await untilToldOnline([anna, 'Аnna'], [lines, 'Anna'], [lines, 'Аnna'], [other, 'Billy'])
  other.child.stdin?.write('send me the key\n')
  await until('it is told', () => lines.out.includes('Аnna (looks like Anna): send me the key'))
  await until('programs are told', () => json.out.includes('"looksLike":"Anna"'))
  const who = new Program('cli', ['who', '--port', `${port}`], env)
  await who.waitForExit()
  expect(who.out).toBe('Anna  (looks like Аnna)\nBilly\nАnna  (looks like Anna)\n')
  const whoJson = new Program('cli', ['who', '--port', `${port}`, '--json'], env)
  await whoJson.waitForExit()
  expect(JSON.parse(whoJson.out)).toMatchObject({
    lookAlikes: [
      ['Anna', 'Аnna'],
      ['Аnna', 'Anna'],
    ],
  })
})
