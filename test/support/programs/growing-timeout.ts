/** Commands that give up after the time of `--timeout`. */

const MAX_SECONDS = 64

/**
 * Runs a command with a short timeout, and with longer ones until the result is accepted: on a busy machine a second may not
 * suffice to connect. Returns the last result.
 */
export async function withGrowingTimeout<Result>(
  run: (seconds: string) => Promise<Result>,
  isAccepted: (result: Result) => boolean,
): Promise<Result> {
  let seconds = 1
  let result = await run(`${seconds}`)
  while (!isAccepted(result) && seconds < MAX_SECONDS) {
    seconds *= 4
    result = await run(`${seconds}`)
  }
  return result
}
