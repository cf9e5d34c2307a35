/** The feed `form:events`: tells subscribers of Redis what happened to forms and responses. It promises nothing. */
import type { Redis } from 'ioredis'
import type { LogEvent } from '../../model.ts'

/** The channel other programs subscribe to. */
export const FEED_CHANNEL = 'form:events'

/** Messages on their way at most; an unanswered one takes up memory until its connection ends. */
const UNDERWAY_MAX = 10_000

export interface Feed {
  /**
   * Sends one message for each event of `response.*` and `form.*`. Give it only what this process committed itself:
   * every process of the fleet hears of every event.
   */
  publish(events: readonly LogEvent[]): void
  /** Messages that Redis did not confirm. */
  dropped(): number
}

/** `connection` answers undefined for what Redis did not take. */
export function openFeed(connection: {
  ask<Answer>(command: (client: Redis) => Promise<Answer>): Promise<Answer | undefined>
}): Feed {
  let underway = 0
  let dropped = 0
  const send = async (messages: readonly string[]): Promise<void> => {
    underway += messages.length
    const answers = await connection.ask((client) => {
      const pipeline = client.pipeline()
      for (const message of messages) pipeline.publish(FEED_CHANNEL, message)
      return pipeline.exec()
    })
    underway -= messages.length
    const sent = answers?.filter(([error]) => error === null).length ?? 0
    dropped += messages.length - sent
  }
  return {
    publish: (events) => {
      const messages = events.filter(({ type }) => /^(?:response|form)\./.test(type)).map(messageOf)
      if (messages.length === 0) return
      if (underway + messages.length > UNDERWAY_MAX) dropped += messages.length
      else void send(messages)
    },
    dropped: () => dropped,
  }
}

const messageOf = (event: LogEvent): string =>
  JSON.stringify({ event: event.type, form_id: event.formId, response_id: event.responseId, timestamp: event.at })
