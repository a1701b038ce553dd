import { AddressBudget } from '../../../daemon/transport/budgets/address-budgets.ts'
import { ConnectionBudget } from '../../../daemon/transport/budgets/connection-budget.ts'
import { HeldBytes, UnreadBytes } from '../../../daemon/transport/budgets/held-bytes.ts'

/** The budget of a connection from an address without limits. */
export function unlimitedBudget(): ConnectionBudget {
  return new ConnectionBudget(new AddressBudget('192.0.2.1', 0, 0), {
    held: new HeldBytes(0),
    unread: new UnreadBytes(0),
  })
}
