import { Delivery } from '../../../src/server/delivery.ts'

const message = { id: 'm', at: 1, from: 'Anna', to: 'Billy' }

/** A delivery whose result nobody gets. @param deadline monotonic ms */
export function unobservedDelivery(deadline = 60_000): Delivery {
  const observer = { onSettled: () => {}, onLateAnswer: () => {}, onMissed: () => {} }
  return new Delivery({ kind: 'client', connection: 1, call: undefined, message }, deadline, observer)
}
