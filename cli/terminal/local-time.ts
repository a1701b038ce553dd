/** The local date and time to the minute, `2026-11-24 09:05`. A time that is out of range for a date gives `NaN` parts. */
export function localDateTime(at: number): string {
  const date = new Date(at)
  const two = (part: number) => `${part}`.padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
