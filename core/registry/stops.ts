/** What delivery says has to stand still, as states: the destination is gone, or the admin has to mend the settings. */
import type { Clock } from '../clock.ts'
import type { DisableInstallation, Refusal, RefuseSettings } from '../delivery/ports.ts'
import type { Logger } from '../observe/observe.ts'
import { refusalReason } from './credential.ts'
import type { Installation } from './installation.ts'
import type { Roster } from './roster.ts'
import type { Sentence } from './standing.ts'

const RETRY_MS = 1_000

export interface StopDeps {
  readonly roster: () => Pick<Roster, 'find' | 'judge'>
  readonly clock: Pick<Clock, 'after'>
  readonly logger: Logger
}

/** Neither throws: what could not be written is tried again. */
export function openStops({ roster, clock, logger }: StopDeps): {
  readonly disable: DisableInstallation
  readonly refused: RefuseSettings
} {
  const stop = (installation: Installation, sentence: Pick<Sentence, 'reason' | 'words' | 'alert'>): void => {
    const { key, hash } = installation
    // Other settings since, or none at all: this says nothing of them.
    if (roster().find(key)?.installation.hash !== hash) return
    roster()
      .judge(key, 'disable', { ...sentence, refusedHash: hash })
      .catch((error: unknown) => {
        logger.error({ err: error, installation: key }, 'an installation could not be disabled; trying again')
        clock.after(RETRY_MS, () => stop(installation, sentence))
      })
  }
  return {
    disable: (installation, { code, message, ...words }) =>
      stop(installation, { reason: message, words, alert: { code, todo: afterDead(installation) } }),
    refused: (installation, refusal) => {
      const { code, deliveryId, responseId } = refusal
      const todo = `${MENDS[code](installation)} ${afterwards(installation)}`
      stop(installation, { reason: refusalReason(refusal), words: { deliveryId, responseId }, alert: { code, todo } })
    },
  }
}

/** For the alert: what the admin can do about each. */
const MENDS: Readonly<Record<Refusal['code'], (installation: Installation) => string>> = {
  credential_refused: ({ id, email }) =>
    `Mend the credential in the settings of "${id}"${email === undefined ? '' : ', or the login in email.url'} (new settings are tried by themselves; what comes from a \${VARIABLE} is read as the hub starts, so restart it), or at the receiver, and then run: manifold installations resume ${id}.`,
  http_refused_address: ({ id }) =>
    `List the network of that address in network.allow of manifold.yaml if it is meant, or mend the address in the settings of "${id}"; either is tried by itself.`,
}

const afterDead = ({ id }: Installation): string =>
  `Mend it in the settings of "${id}" or at the receiver, and then run: manifold installations resume ${id}. Deliveries that waited go out then; for the dead letter run: manifold dead-letters replay --installation ${id}`

/** What waits needs no backfill, since nothing of it was skipped. */
const afterwards = ({ id }: Installation): string =>
  `Deliveries and events that waited go out then. To send older events again as well: manifold installations backfill ${id} --from <time>.`
