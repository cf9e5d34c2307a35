/** Any failure as one of the table; what nobody foresaw is the hub's own fault and is tried again. */
import { HubError } from '../errors.ts'

export const asHubError = (error: unknown): HubError =>
  error instanceof HubError
    ? error
    : new HubError('internal', error instanceof Error ? error.message : String(error), { cause: error })
