/** `${VAR}` in values, from the environment. Runs on single strings after the file was parsed: a value cannot become structure. */

export interface Expansion {
  readonly text: string
  /** What went wrong, with what to do; empty when all is well. */
  readonly problems: readonly { readonly message: string; readonly hint: string | null }[]
  /** True when a variable was looked up. */
  readonly expanded: boolean
}

const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/

/**
 * `${VAR}` must be set; `${VAR:-default}` and `${VAR:?message}` apply when it is unset or empty; `$$` is one dollar.
 * A dollar before anything else stays as it is.
 */
export function expand(text: string, env: Readonly<Record<string, string | undefined>>): Expansion {
  if (!text.includes('$')) return { text, problems: [], expanded: false }
  const problems: { message: string; hint: string | null }[] = []
  let out = ''
  let expanded = false
  let at = 0
  while (at < text.length) {
    const dollar = text.indexOf('$', at)
    if (dollar < 0) break
    out += text.slice(at, dollar)
    const next = text[dollar + 1]
    if (next === '$') {
      out += '$'
      at = dollar + 2
      continue
    }
    if (next !== '{') {
      out += '$'
      at = dollar + 1
      continue
    }
    const end = text.indexOf('}', dollar)
    if (end < 0) {
      problems.push({
        message: '"${" has no closing "}"',
        hint: 'write "$$" for a dollar sign that is only a dollar sign',
      })
      return { text, problems, expanded }
    }
    const looked = lookUp(text.slice(dollar + 2, end), env)
    expanded = true
    if (typeof looked === 'string') out += looked
    else problems.push(looked)
    at = end + 1
  }
  return { text: out + text.slice(at), problems, expanded }
}

function lookUp(
  reference: string,
  env: Readonly<Record<string, string | undefined>>,
): string | { message: string; hint: string | null } {
  const match = VARIABLE.exec(reference)
  if (!match) {
    return {
      message: `"\${${reference}}" is not a variable reference`,
      hint: 'write ${NAME}, ${NAME:-default}, ${NAME:?message}, or "$$" for a plain dollar sign',
    }
  }
  const name = match[1] as string
  const [, , operator, operand = ''] = match
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (operator === undefined && value !== undefined) return value
  if (operator !== undefined && value !== undefined && value !== '') return value
  if (operator === '-') return operand
  if (operator === '?') {
    return {
      message: `environment variable ${name} is not set: ${operand || 'it is required'}`,
      hint: `set ${name} before the hub starts`,
    }
  }
  return {
    message: `environment variable ${name} is not set`,
    hint: `set ${name} before the hub starts, or give a default: \${${name}:-...}`,
  }
}
