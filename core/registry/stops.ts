/** What delivery says has to stand still, as states: the destination is gone, or the credential is not accepted. */
import type { Clock } from '../clock.ts'
import type { DisableInstallation, RefuseCredential } from '../delivery/ports.ts'
import type { Logger } from '../observe/observe.ts'
import { CREDENTIAL_REASON } from './credential.ts'
import type { Installation } from './installation.ts'
import type { Roster } from './roster.ts'

const RETRY_MS = 1_000

export interface StopDeps {
  readonly roster: () => Pick<Roster, 'find' | 'move' | 'judge'>
  readonly clock: Pick<Clock, 'after'>
  readonly logger: Logger
}

/** Neither throws: what could not be written is tried again. */
export function openStops({ roster, clock, logger }: StopDeps): {
  readonly disable: DisableInstallation
  readonly refused: RefuseCredential
} {
  const refused: RefuseCredential = (installation, message) => {
    const { key, hash } = installation
    // Other settings since, or none at all: this says nothing of them.
    if (roster().find(key)?.installation.hash !== hash) return
    const reason = `${CREDENTIAL_REASON}${message}`
    roster()
      .judge(key, 'disable', {
        reason,
        refusedHash: hash,
        alert: { code: 'credential_refused', todo: todoOf(installation) },
      })
      .catch((error: unknown) => {
        logger.error({ err: error, installation: key }, 'a refused credential could not be written down; trying again')
        clock.after(RETRY_MS, () => refused(installation, message))
      })
  }
  return {
    disable: (key, reason) => {
      roster()
        .move(key, 'disable', reason)
        .catch((error: unknown) => {
          logger.error({ err: error, installation: key }, 'an installation could not be disabled')
        })
    },
    refused,
  }
}

/** For the alert: what waits needs no backfill, since nothing of it was skipped. */
const todoOf = ({ id, email }: Installation): string =>
  `Mend the credential in the settings of "${id}"${email === undefined ? '' : ', or the login in email.url'} (new settings are tried by themselves; what comes from a \${VARIABLE} is read as the hub starts, so restart it), or at the receiver, and then run: ` +
  `manifold installations resume ${id}. Deliveries and events that waited go out then. To send older events again as well: ` +
  `manifold installations backfill ${id} --from <time>.`
