/** What the status row shows when there is not enough space for all of it. */
import { expect, test } from 'vitest'
import { ChatDriver, KEYS } from '../chat-driver.ts'

/** The second last row of the screen. */
function statusRow(driver: ChatDriver): string {
  return driver.screen().trimEnd().split('\n').at(-2)?.trimEnd() ?? ''
}

function offline(columns: number): ChatDriver {
  const driver = new ChatDriver()
  driver.resize(columns, 12)
  driver.roster(['Anna', 'Billy'])
  driver.tell({
    type: 'connection',
    state: { phase: 'waiting', reason: 'connection refused by server-2', retryAt: 0, attempt: 3 },
  })
  driver.type(`/msg Billy${KEYS.enter}`)
  return driver
}

test('a notice is shown whole where it fits, and the state of the connection is shortened for it', () => {
  const driver = offline(80)
  expect(statusRow(driver)).toContain('not connected (connection refused by server-2), retrying now')
  driver.model.showNotice('1 message waits for Billy; /quit again leaves')
  expect(statusRow(driver)).toMatch(/^○ not connected {2}Anna {2}1 message waits for Billy; \/quit again leaves/)
  driver.model.showNotice('1 message waits for Billy and for 5 others; enter /quit again to leave now')
  expect(statusRow(driver)).toMatch(/^○ {3}1 message waits for Billy and for 5 others; enter \/quit again to leave now/)
})

test('the hint about the help is left out where it does not fit', () => {
  const text = '○ not connected (connection refused by server-2), retrying now  Anna'
  expect(statusRow(offline(80))).toBe(`${text}  ? help`)
  expect(statusRow(offline(72))).toBe(text)
})

test('a notice that is shown above, too, leaves the state of the connection whole', () => {
  const driver = offline(80)
  const text = 'First connection to this mesh: it has no secret, so its servers prove nothing'
  driver.tell({ type: 'notice', code: 'mesh-new', text, isWarning: false })
  expect(statusRow(driver)).toContain('○ not connected (connection refused by server-2), retrying now')
  expect(driver.screen()).toContain('First connection to this mesh: it has no secret')
})

test('the prompt of a selected message is shown in a narrow terminal, too', () => {
  const driver = offline(60)
  driver.compose('Billy', 'hello')
  driver.type('\u001bk')
  expect(statusRow(driver)).toMatch(/^○ {3}r reply {2}e edit {2}d delete/)
  driver.type('d')
  expect(statusRow(driver)).toContain('d to delete for everyone, any other key to cancel')
})

test('how to leave the search and the finder is shown in a narrow terminal, too', () => {
  const driver = offline(50)
  driver.message('Billy', 'Anna', 'hello')
  driver.type('\u000f')
  expect(statusRow(driver)).toMatch(/^○ (?:unread.*)? {2}Esc close/)
  driver.type(KEYS.dismiss)
  driver.type('/search-all hello\r')
  expect(statusRow(driver)).toContain('Esc close')
})

test('/set lists the settings in an overlay, which Esc closes', () => {
  const driver = offline(100)
  driver.resize(100, 20)
  driver.type(`/set${KEYS.enter}`)
  const screen = driver.screen()
  expect(screen).toContain('Settings')
  expect(screen).toMatch(/bell on +ring the bell for unread messages \(or off\)/)
  expect(screen).toContain('/set NAME VALUE changes one')
  expect(statusRow(driver)).toContain('Esc closes the settings')
  driver.type(KEYS.dismiss)
  expect(driver.screen()).not.toContain('Settings')
})
