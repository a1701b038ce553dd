import * as z from 'zod'
import { MAX_TIME_MS, MIN_TIME_MS } from '../common/time.ts'

/** ms since 1970, see `isTime`. Hybrid times have a fraction. */
export const timeSchema = z.number().min(MIN_TIME_MS).max(MAX_TIME_MS)
