/** What keeps an installation from doing what it should, though it may be `ready`: its state says only whether it may run. */
import type { InstallationItem } from '../wire.ts'
import type { Tone } from './chip.ts'
import { counted } from './time.ts'

export interface Trouble {
  /** A word or two, for a chip beside its state; null: the state says it. */
  readonly word: string | null
  readonly tone: Tone
  /** A sentence. */
  readonly says: string
}

/** One failure or two are an ordinary day: they are tried again. */
const STREAK_MIN = 3

type Standing = Pick<
  InstallationItem,
  'state' | 'reason' | 'unattended' | 'credential' | 'breakers' | 'failure_streak' | 'last_error'
>

/** The gravest; null: it does what it should. */
export function troubleOf(item: Standing): Trouble | null {
  const { state, reason, unattended, credential, breakers, failure_streak: streak, last_error: error } = item
  if (state !== 'ready') return { word: null, tone: 'bad', says: reason ?? '' }
  if (unattended) return { word: 'unattended', tone: 'bad', says: 'No living process runs it.' }
  if (credential.state === 'refused')
    return {
      word: 'refused credential',
      tone: 'bad',
      says: `The receiver refuses the credential. ${credential.message ?? ''}`,
    }
  if (breakers.length > 0)
    return {
      word: 'left alone',
      tone: 'warn',
      says: `${breakers.map(({ host }) => host).join(', ')} failed repeatedly and is left alone for now. ${error ?? ''}`,
    }
  if (streak < STREAK_MIN) return null
  return {
    word: 'failing',
    tone: 'warn',
    says: `${counted(streak, 'attempt', 'attempts')} failed in a row. ${error ?? ''}`,
  }
}

/** A resume does something: it stands still, or waits for a receiver that may work again. */
export const isResumable = ({
  state,
  credential,
  breakers,
}: Pick<InstallationItem, 'state' | 'credential' | 'breakers'>): boolean =>
  state === 'paused' || state === 'disabled' || credential.state === 'refused' || breakers.length > 0
