/** The page of the original chat server in a real browser, served from another port than the servers of the mesh. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Chromium, chromiumMissingReason } from '../../support/programs/chromium.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

/** The scripts of Socket.IO's clients. */
const CLIENTS: Record<string, string> = {
  '1.7': 'node_modules/socket.io-client-1/dist/socket.io.min.js',
  '4.8': 'node_modules/socket.io-client/dist/socket.io.min.js',
}
const TRANSPORTS = ['polling', 'websocket']
/** Client and transport of a pair of users. */
const PAIRS = Object.keys(CLIENTS).flatMap(client => TRANSPORTS.map(transport => `${client} ${transport}`))

/** What a page has reported. */
interface Report {
  /** The page: `Anna 1.7 polling`. */
  who: string
  event: string
  data?: unknown
}

/** The client in a page: as the original does, it identifies with a name, and sends and receives `im`. */
const CHAT = `
  const { who, peer, server, transport } = Object.fromEntries(new URLSearchParams(location.search))
  const report = (event, data) => fetch('/report', { method: 'POST', body: JSON.stringify({ who, event, data }) })
  const socket = io(server, { transports: [transport], reconnection: false, forceNew: true })
  socket.on('connect', () => { report('connect'); socket.emit('identify', who) })
  socket.on('connect_error', () => report('connect_error'))
  let hasSent = false
  socket.on('update_client', ({ list }) => {
    if (hasSent || !list.includes(who) || !list.includes(peer)) return
    hasSent = true
    socket.emit('im', { from: who, to: peer, text: 'Hello from ' + who })
  })
  socket.on('im', ({ from, to, text }) => report('im', { from, to, text }))`

/** What a page that is not listed could read without XHR: a script from the server. */
const JSONP = `
  const { who, server } = Object.fromEntries(new URLSearchParams(location.search))
  const report = (event, data) => fetch('/report', { method: 'POST', body: JSON.stringify({ who, event, data }) })
  window.___eio = [data => report('read', data)]
  const script = document.createElement('script')
  script.src = server + '/socket.io/?EIO=3&transport=polling&j=0'
  script.onerror = () => report('script failed')
  script.onload = () => report('script loaded')
  document.head.append(script)`

describe.skipIf(chromiumMissingReason !== undefined)('the original page in a browser', () => {
  const reports: Report[] = []
  const pages: Server[] = []
  let browser: Chromium | undefined
  const of = (who: string) => reports.filter(report => report.who === who)

  /** Serves the pages at a new port. Returns the origin. */
  async function servePages(listing: () => string): Promise<string> {
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://page')
      const script = CLIENTS[pathname.slice(1)]
      if (script !== undefined) return void response.end(readFileSync(script))
      if (pathname === '/report') {
        let body = ''
        request.on('data', chunk => {
          body += chunk
        })
        request.on('end', () => {
          reports.push(JSON.parse(body) as Report)
          response.end()
        })
        return
      }
      response.setHeader('content-type', 'text/html')
      if (pathname === '/all') response.end(listing())
      else if (pathname === '/jsonp') response.end(`<script>${JSONP}</script>`)
      else if (pathname === '/chat')
        response.end(`<script src="/${searchParams.get('client')}"></script><script>${CHAT}</script>`)
      else response.writeHead(404).end()
    })
    pages.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  beforeAll(async () => {
    let frames: string[] = []
    const listed = await servePages(() => frames.map(url => `<iframe src="${url}"></iframe>`).join('\n'))
    const strange = await servePages(() => '')
    const ports = await freePorts(2)
    const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    const config = join(temporaryFolder(), 'config.json')
    writeFileSync(config, JSON.stringify({ servers, origins: [listed] }))
    const programs = servers.map(({ id }) => new Program('daemon', ['--id', id, '--config', config]))
    await until('the servers are linked', () =>
      programs.every(({ out }) => out.includes('Outbound connection to peer')),
    )
    const [first, second] = ports.map(port => `http://127.0.0.1:${port}`)
    const frame = (page: string, path: string, fields: Record<string, string | undefined>) =>
      `${page}/${path}?${new URLSearchParams(fields as Record<string, string>)}`
    frames = PAIRS.flatMap(pair => {
      const [client, transport] = pair.split(' ')
      const fields = { client, transport }
      return [
        frame(listed, 'chat', { ...fields, who: `Anna ${pair}`, peer: `Billy ${pair}`, server: first }),
        frame(listed, 'chat', { ...fields, who: `Billy ${pair}`, peer: `Anna ${pair}`, server: second }),
        frame(strange, 'chat', { ...fields, who: `Mallory ${pair}`, peer: `Anna ${pair}`, server: first }),
      ].map(url => url.replaceAll('&', '&amp;'))
    })
    frames.push(frame(strange, 'jsonp', { who: 'Mallory', server: first }).replaceAll('&', '&amp;'))
    browser = new Chromium(`${listed}/all`)
  })

  afterAll(async () => {
    await browser?.close()
    for (const page of pages) {
      page.closeAllConnections()
      page.close()
    }
    stopAll()
  })

  test.each(PAIRS)('users of Socket.IO %s chat across two servers from a listed page', async pair => {
    const [anna, billy] = [`Anna ${pair}`, `Billy ${pair}`]
    for (const [who, from] of [
      [anna, billy],
      [billy, anna],
    ] as const) {
      const expected = { who, event: 'im', data: { from, to: who, text: `Hello from ${from}` } }
      const arrived = () => of(who).some(({ data }) => JSON.stringify(data) === JSON.stringify(expected.data))
      await until(`${who} has the message`, arrived).catch(error => {
        throw new Error(`${error.message}; reports: ${JSON.stringify(of(who))}; browser: ${browser?.out}`)
      })
      expect(of(who)).toContainEqual(expected)
    }
  })

  test.each(PAIRS)('a page that is not listed cannot connect, with Socket.IO %s', async pair => {
    await until('it has failed', () => of(`Mallory ${pair}`).length > 0)
    expect(of(`Mallory ${pair}`)).toEqual([{ who: `Mallory ${pair}`, event: 'connect_error' }])
  })

  test('a page that is not listed cannot read a session as a script', async () => {
    await until('the script has been refused', () => of('Mallory').length > 0)
    expect(of('Mallory').map(({ event }) => event)).toEqual(['script failed'])
  })
})
