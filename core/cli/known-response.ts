/** An empty list about a response that there is not is told as that, not as nothing. */
import { CliError } from './exit-codes.ts'
import type { HubClient } from './hub-client.ts'
import { anything } from './rows.ts'

const NOT_FOUND = 404

/** Ends the command when the hub neither stores the response nor has it in quarantine. A key that may not look is not asked to. */
export async function refuseUnknownResponse(hub: HubClient, id: string): Promise<void> {
  for (const path of ['/api/v2/responses/', '/api/v2/quarantine/']) {
    try {
      await hub.request('GET', path + encodeURIComponent(id), { as: anything })
      return
    } catch (error) {
      if (!(error instanceof CliError) || error.problem['status'] !== NOT_FOUND) return
    }
  }
  throw new CliError(
    'failed',
    `There is no response "${id}".`,
    'those there are: manifold quarantine, GET /api/v2/forms/ID/responses',
  )
}
