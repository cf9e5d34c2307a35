/** The sessions with the mail server that are open: those in use, and those that wait a while for the next message. */
import type { MailSettings } from '../config/config.ts'
import type { MailSession } from './mail-session.ts'

export interface MailSessions {
  /** One that is free, if there is one. */
  takeIdle(): MailSession | undefined
  /** Opens one by `open`, which is given what to call at its end. */
  add(open: (onEnd: () => void) => Promise<MailSession>): Promise<MailSession>
  /** It may be used again, unless the settings are others by now. */
  keep(session: MailSession, settings: MailSettings | null): void
  drop(session: MailSession): void
  /** Those that are free say good-bye. */
  leaveIdle(): void
  close(): void
}

export function createMailSessions(idleMs: number): MailSessions {
  /** With the timer that ends its idling. */
  const idle = new Map<MailSession, NodeJS.Timeout>()
  const all = new Set<MailSession>()
  const unidle = (session: MailSession): void => {
    clearTimeout(idle.get(session))
    idle.delete(session)
  }
  const drop = (session: MailSession): void => {
    unidle(session)
    all.delete(session)
    session.close()
  }
  const leave = (session: MailSession): void => {
    unidle(session)
    session.leave()
  }
  return {
    takeIdle: () => {
      const session = [...idle.keys()].at(-1)
      if (session !== undefined) unidle(session)
      return session
    },
    add: async (open) => {
      const end = Promise.withResolvers<void>()
      const session = await open(end.resolve)
      all.add(session)
      void end.promise.then(() => drop(session))
      return session
    },
    keep: (session, settings) => {
      if (!all.has(session)) return
      if (session.settings !== settings) return leave(session)
      const timer = setTimeout(() => leave(session), idleMs)
      timer.unref()
      idle.set(session, timer)
    },
    drop,
    leaveIdle: () => {
      for (const session of idle.keys()) leave(session)
    },
    close: () => {
      for (const session of all) drop(session)
    },
  }
}
