import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { isProcessAlive } from '../../../src/programs/process-alive.ts'

/** Clock ticks per second in `/proc`: 100 on all common platforms of Linux. */
const TICKS_PER_SECOND = 100
/** Position of a process's start time in `/proc/PID/stat`, counted after the name in parentheses. */
const START_TIME_FIELD = 19

/**
 * Whether the process with this id may have written a file: it runs, and it started before the last change of the file.
 * After a restart of the machine another program may have the id.
 * @param changedAt last change of the file, ms since 1970
 */
export function mayHaveWritten(pid: number, changedAt: number): boolean {
  if (!isProcessAlive(pid)) return false
  const startedAt = Date.now() - (uptime() - (startTimeOf(pid) ?? 0)) * 1_000
  // The start time has a precision of 10 ms.
  return startedAt <= changedAt + 20
}

/** What identifies this process among all that run on this machine, now and later. */
export function describeThisProcess(): string {
  return describe(process.pid)
}

/** Whether the process runs that `describeThisProcess` described. */
export function isDescribedProcessAlive(description: string): boolean {
  const pid = Number(description.split(' ', 1)[0])
  return isProcessAlive(pid) && describe(pid) === description
}

function describe(pid: number): string {
  return `${pid} ${startTimeOf(pid) ?? ''} ${readOrEmpty('/proc/sys/kernel/random/boot_id').trim()}`
}

/** When a process started, seconds after the start of the machine; undefined if the system does not tell. */
function startTimeOf(pid: number): number | undefined {
  const stat = readOrEmpty(`/proc/${pid}/stat`)
  // The name of the program may contain spaces and parentheses.
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD])
  return stat !== '' && Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : undefined
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
