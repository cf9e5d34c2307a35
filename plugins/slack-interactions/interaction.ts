/** What a Slack interaction says, as an event: its name, and what others need to know of it. */
import type { Json } from 'manifold/plugin'

interface Interaction {
  readonly type?: Json
  readonly actions?: Json
  readonly user?: Json
  readonly team?: Json
  readonly channel?: Json
  readonly message?: Json
  readonly callback_id?: Json
  readonly view?: Json
}
type Fields = { readonly [key: string]: Json }

/**
 * Null for kinds that have no name: a button's `action_id`, or the `callback_id` of a dialog or shortcut. `response_url` and
 * `trigger_id` are left out: whoever has them can speak in Slack.
 */
export function eventOf(interaction: Interaction): { readonly name: string; readonly data: Fields } | null {
  const { type, user, team, channel, message } = interaction
  const view = fields(interaction.view)
  const action = fields(Array.isArray(interaction.actions) ? (interaction.actions as readonly Json[])[0] : undefined)
  const id = action['action_id'] ?? interaction.callback_id ?? view['callback_id']
  const name = nameOf(id)
  if (name === null) return null
  return {
    name,
    data: {
      type: type ?? null,
      action: id ?? null,
      value: action['value'] ?? fields(action['selected_option'])['value'] ?? null,
      user: named(user),
      team: fields(team)['id'] ?? null,
      channel: named(channel),
      message: fields(message)['ts'] ?? null,
      state: fields(view['state'])['values'] ?? null,
    },
  }
}

/** As an event's name may be: lower-case letters, digits, ".", "_" and "-". */
function nameOf(id: Json | undefined): string | null {
  if (typeof id !== 'string') return null
  const name = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64)
  return name === '' ? null : name
}

const named = (value: Json | undefined): Json => {
  const { id, name, username } = fields(value)
  return id === undefined ? null : { id, name: name ?? username ?? null }
}

const fields = (value: Json | undefined): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
