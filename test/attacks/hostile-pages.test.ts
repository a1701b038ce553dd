/** Pages in a real browser that attack a server on the user's machine: of other origins, without one, and by DNS rebinding. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { AdminServer } from '../../daemon/admin/admin-server.ts'
import { SILENT_LOG } from '../../daemon/log/log.ts'
import { type InProcessServer, startInProcess } from '../support/in-process-server.ts'
import { Chromium, chromiumMissingReason } from '../support/programs/chromium.ts'
import { freePorts, stopAll, until } from '../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
  stopAll()
})

/** What the pages have reported: the outcome of each attack. */
type Reports = Map<string, string>

async function listen(port: number, handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handler)
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  cleanups.push(() => close(server))
  const address = server.address()
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}

/** A server that collects reports. */
async function startReports(): Promise<{ reports: Reports; url: string }> {
  const reports: Reports = new Map()
  const { port } = await listen(0, (request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      const [name = '', outcome = ''] = JSON.parse(body || '[]') as string[]
      reports.set(name, outcome)
      response.writeHead(200, { 'access-control-allow-origin': '*' }).end()
    })
  })
  return { reports, url: `http://127.0.0.1:${port}/` }
}

function browse(url: string): Chromium {
  const browser = new Chromium(url, '--host-resolver-rules=MAP *.example 127.0.0.1')
  cleanups.push(() => browser.close())
  return browser
}

/** Reports the outcome of an attack: what it gives, or `failed`. */
const REPORT = (url: string) => `
  const report = (name, outcome) =>
    fetch('${url}', { method: 'POST', mode: 'no-cors', body: JSON.stringify([name, String(outcome)]) })
  const attack = (name, run) => run().then(outcome => report(name, outcome), () => report(name, 'failed'))
  const webSocket = url => new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.onopen = () => resolve('open')
    socket.onerror = reject
  })
  const element = (tag, url) => new Promise((resolve, reject) => {
    const one = document.createElement(tag)
    one.onload = () => resolve('loaded')
    one.onerror = reject
    one.src = url
    document.head.append(one)
  })`

describe.skipIf(chromiumMissingReason !== undefined)('a page in a browser', () => {
  test('of another origin, or without one, opens no session and reads nothing', async () => {
    const { reports, url: reportUrl } = await startReports()
    const server: InProcessServer = await startInProcess('server-1', { origins: ['http://listed.example'] })
    cleanups.push(() => server.close())
    const [adminPort = 0] = await freePorts(1)
    const admin = {
      host: '127.0.0.1',
      hostNames: [],
      port: adminPort,
      version: '1.2.3',
      log: { ...SILENT_LOG, lostLines: () => 0 },
    }
    ;(await AdminServer.listen(admin)).setServer(server)
    const { host, port } = new URL(server.url)
    const poll = `/socket.io/?EIO=4&transport=polling`
    const attacks = (who: string, target: string) => `${REPORT(reportUrl)}
      const polling = 'http://${target}${poll}'
      attack('${who} GET', () => fetch(polling).then(answer => answer.text()))
      attack('${who} POST', () => fetch(polling, { method: 'POST', body: '40' }).then(answer => answer.text()))
      attack('${who} with a preflight', () => fetch(polling, { headers: { x: 'y' } }).then(answer => answer.text()))
      attack('${who} no-cors', () => fetch(polling, { mode: 'no-cors' }).then(answer => answer.text()))
      attack('${who} no-cors POST', () => fetch(polling, { method: 'POST', mode: 'no-cors', body: '40' }).then(answer => answer.text()))
      attack('${who} credentials', () => fetch(polling, { credentials: 'include' }).then(answer => answer.text()))
      attack('${who} WebSocket', () => webSocket('ws://${target}/socket.io/?EIO=4&transport=websocket'))
      attack('${who} WebSocket of peers', () => webSocket('ws://${target}/socket.io/?EIO=4&transport=websocket&ns=/mesh'))
      attack('${who} script', () => element('script', polling))
      attack('${who} JSONP', () => element('script', polling + '&j=0'))
      attack('${who} image', () => element('img', polling))
      attack('${who} events', () => new Promise((resolve, reject) => {
        const events = new EventSource(polling)
        events.onopen = resolve
        events.onerror = reject
      }))
      attack('${who} metrics', () => fetch('http://127.0.0.1:${adminPort}/metrics').then(answer => answer.text()))
      attack('${who} metrics as a script', () => element('script', 'http://127.0.0.1:${adminPort}/metrics'))
      attack('${who} service worker', () => navigator.serviceWorker.register('http://${target}${poll}'))
      const form = document.createElement('form')
      const frame = document.createElement('iframe')
      frame.name = 'answer'
      Object.assign(form, { method: 'POST', enctype: 'text/plain', action: polling, target: frame.name })
      document.body.append(frame, form)
      form.submit()
      navigator.sendBeacon(polling, '40')`
    const html = (script: string) => `<body><script>${script}</script></body>`
    const attribute = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
    // One page for each way to write the address, and frames whose origin is `null`.
    const targets = [host, `localhost:${port}`, `127.0.0.1.:${port}`, `LOCALHOST.:${port}`]
    const page = html(`document.body.innerHTML += ''`).concat(
      targets.map((_, at) => `<iframe src="/attack?${at}"></iframe>`).join(''),
      `<iframe sandbox="allow-scripts allow-forms" srcdoc="${attribute(html(attacks('sandbox', host)))}"></iframe>`,
      `<iframe src="data:text/html,${attribute(encodeURIComponent(html(attacks('data', host))))}"></iframe>`,
    )
    const { port: pagePort } = await listen(0, ({ url = '' }, response) => {
      response.setHeader('content-type', 'text/html')
      if (url === '/') return void response.end(page)
      const at = Number(/^\/attack\?(\d)$/.exec(url)?.[1] ?? '-1')
      response.end(html(targets[at] === undefined ? '' : attacks(`page ${at}`, targets[at])))
    })
    const browser = browse(`http://evil.example:${pagePort}/`)
    const attackers = [...targets.map((_, at) => `page ${at}`), 'sandbox', 'data']
    let sessions = 0
    const names = attackers.flatMap(who => [`${who} GET`, `${who} WebSocket`, `${who} events`, `${who} metrics`])
    const hasAll = () => {
      sessions = Math.max(sessions, server.counts().engine)
      return names.every(name => reports.has(name))
    }
    await until('all attacks are over', hasAll).catch(error => {
      throw new Error(`${error.message}; missing: ${names.filter(name => !reports.has(name))}; ${browser.out}`)
    })
    // An answer of `no-cors` is opaque, and the text of it empty.
    const succeeded = [...reports].filter(([, outcome]) => !['failed', ''].includes(outcome))
    expect(succeeded).toEqual([])
    expect(sessions).toBe(0)
    expect(server.roster()).toEqual([])
  })

  test('whose host name is bound to the server later (DNS rebinding) opens no session and reads nothing', async () => {
    const { reports, url: reportUrl } = await startReports()
    const [port = 0, adminPort = 0] = await freePorts(2)
    // The script asks its own origin again and again: at first the attacker answers, then the server.
    const script = `${REPORT(reportUrl)}
      const body = path => fetch(path, { cache: 'no-store' }).then(async answer => answer.status + ' ' + (await answer.text()))
      setInterval(() => {
        for (const path of ['/socket.io/?EIO=4&transport=polling', '/metrics', '/healthz'])
          attack(location.port + ' ' + path, () => body(path))
        attack(location.port + ' WebSocket', () => webSocket('ws://' + location.host + '/socket.io/?EIO=4&transport=websocket'))
        attack(location.port + ' POST', () =>
          fetch('/socket.io/?EIO=4&transport=polling', { method: 'POST', body: '40' }).then(answer => answer.status))
      }, 300)`
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('content-type', 'text/html')
      if (request.url === '/other') return void response.end(`<script>${script}</script>`)
      if (request.url !== '/') return void response.end('the attacker')
      response.end(`<iframe src="http://evil.example:${adminPort}/other"></iframe><script>${script}</script>`)
    }
    const pages = [await listen(port, answer), await listen(adminPort, answer)]
    const browser = browse(`http://evil.example:${port}/`)
    const all = (outcome: RegExp) => {
      const paths = [`${port} /socket.io/?EIO=4&transport=polling`, `${adminPort} /metrics`, `${adminPort} /healthz`]
      return paths.every(name => outcome.test(reports.get(name) ?? ''))
    }
    await until('the attacker answers', () => all(/^200 the attacker$/)).catch(error => {
      throw new Error(`${error.message}; ${JSON.stringify([...reports])}; ${browser.out}`)
    })
    for (const { server } of pages) await close(server)
    const server = await startInProcess('server-1', { port })
    cleanups.push(() => server.close())
    const admin = {
      host: '127.0.0.1',
      hostNames: [],
      port: adminPort,
      version: '1.2.3',
      log: { ...SILENT_LOG, lostLines: () => 0 },
    }
    ;(await AdminServer.listen(admin)).setServer(server)
    reports.clear()
    let sessions = 0
    const isOver = () => {
      sessions = Math.max(sessions, server.counts().engine)
      return all(/^403 /) && reports.has(`${port} WebSocket`) && reports.has(`${port} POST`)
    }
    await until('the server answers', isOver).catch(error => {
      throw new Error(`${error.message}; ${JSON.stringify([...reports])}; ${browser.out}`)
    })
    expect(reports.get(`${port} WebSocket`)).toBe('failed')
    expect(reports.get(`${port} POST`)).not.toBe('200')
    expect([...reports.values()].filter(outcome => /sid|mesh_chat_/.test(outcome))).toEqual([])
    expect(sessions).toBe(0)
  })
})
