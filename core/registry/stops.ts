/** What delivery says has to stand still, as states: the destination is gone, or the admin has to mend the settings. */
import type { Clock } from '../clock.ts'
import type { DisableInstallation, Refusal, RefuseSettings } from '../delivery/ports.ts'
import type { Logger } from '../observe/observe.ts'
import { refusalReason } from './credential.ts'
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
  readonly refused: RefuseSettings
} {
  const refused: RefuseSettings = (installation, refusal) => {
    const { key, hash } = installation
    // Other settings since, or none at all: this says nothing of them.
    if (roster().find(key)?.installation.hash !== hash) return
    roster()
      .judge(key, 'disable', {
        reason: refusalReason(refusal),
        words: { deliveryId: refusal.deliveryId, responseId: refusal.responseId },
        refusedHash: hash,
        alert: { code: refusal.code, todo: `${MENDS[refusal.code](installation)} ${afterwards(installation)}` },
      })
      .catch((error: unknown) => {
        logger.error({ err: error, installation: key }, 'a refusal could not be written down; trying again')
        clock.after(RETRY_MS, () => refused(installation, refusal))
      })
  }
  return {
    disable: (key, { message, ...words }) => {
      roster()
        .move(key, 'disable', { reason: message, words })
        .catch((error: unknown) => {
          logger.error({ err: error, installation: key }, 'an installation could not be disabled')
        })
    },
    refused,
  }
}

/** For the alert: what the admin can do about each. */
const MENDS: Readonly<Record<Refusal['code'], (installation: Installation) => string>> = {
  credential_refused: ({ id, email }) =>
    `Mend the credential in the settings of "${id}"${email === undefined ? '' : ', or the login in email.url'} (new settings are tried by themselves; what comes from a \${VARIABLE} is read as the hub starts, so restart it), or at the receiver, and then run: manifold installations resume ${id}.`,
  http_refused_address: ({ id }) =>
    `List the network of that address in network.allow of manifold.yaml if it is meant, or mend the address in the settings of "${id}"; either is tried by itself.`,
}

/** What waits needs no backfill, since nothing of it was skipped. */
const afterwards = ({ id }: Installation): string =>
  `Deliveries and events that waited go out then. To send older events again as well: manifold installations backfill ${id} --from <time>.`
