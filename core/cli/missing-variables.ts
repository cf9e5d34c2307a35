/** Environment variables that the file asks for and nobody has set: which, and where the file asks for them. */
import type { Call } from './call.ts'

/** As `core/config/expand.ts` says it; before it stands the place, where it is a part of a reason. */
const MISSING = /(?:(line \d+), )?(?:([\w.[\]"-]+): )?environment variable (\w+) is not set/g

interface Missing {
  readonly name: string
  /** `line 5, with.secret`; null: it is not said. */
  readonly where: string | null
}

/** What is told of in the reason of an installation, or in a problem of the file. */
const missingIn = (told: string): readonly Missing[] =>
  [...told.matchAll(MISSING)].map(([, line, setting, name = '']) => ({
    name,
    where: [line, setting].filter(Boolean).join(', ') || null,
  }))

/** True where nothing else is told of. */
export const isOnlyMissing = (reason: string): boolean =>
  reason.split('; ').every((problem) => missingIn(problem).length > 0)

/** One line for each variable, with all the places that ask for it. */
export function missingOf(
  broken: readonly { readonly id: string; readonly reason: string }[],
): readonly { readonly name: string; readonly detail: string; readonly fix: string }[] {
  const all = broken.flatMap(({ id, reason }) => missingIn(reason).map((missing) => ({ ...missing, id })))
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, askers]) => ({
    name: `variable ${name}`,
    detail: `is not set; asked for by ${askers.map(({ id, where }) => (where === null ? id : `${id} (${where})`)).join(', ')}`,
    fix: `set ${name} where the hub is started (its shell, the EnvironmentFile of its unit, environment of its container), and start it again; for this command set it here as well`,
  }))
}

/** A variable that this shell has and the running hub lacks: looking at the file again finds nothing wrong with it. */
export function lacks(problems: readonly { readonly message: string }[], env: Call['env']): string | null {
  const names = problems.flatMap(({ message }) => missingIn(message).map(({ name }) => name))
  const set = [...new Set(names)].filter((name) => isSet(name, env))
  return set.length === 0
    ? null
    : `restart the hub: variables are read at start, and it was started without ${set.join(', ')}`
}

/** True when all that is wrong are variables that are missing here too: the file's own lines have told of them. */
export function isToldByFile(reason: string | null, env: Call['env']): boolean {
  return reason !== null && isOnlyMissing(reason) && missingIn(reason).every(({ name }) => !isSet(name, env))
}

const isSet = (name: string, env: Call['env']): boolean => env[name] !== undefined && env[name] !== ''
