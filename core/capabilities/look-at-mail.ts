/** Tries the mail server without a message: connects, greets, begins TLS, logs in, and leaves. */
import type { MailSettings } from '../config/config.ts'
import type { Finding } from '../finding.ts'
import type { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { addressPolicy } from './addresses.ts'
import { systemResolve } from './guard-connector.ts'
import { openMailSession } from './mail-session.ts'
import { createMask } from './mask.ts'
import { asMailError } from './smtp-errors.ts'

const TLS_WORDS = { implicit: 'over TLS', starttls: 'over TLS (STARTTLS)', none: 'in the clear' } as const

/** What became of it, and what to do; the password is in no line. `allow`: CIDRs that may be reached although private. */
export async function lookAtMail(
  settings: MailSettings,
  allow: readonly string[],
  limits: Pick<Limits, 'emailConnectTimeoutMs'>,
): Promise<Finding> {
  const { host, port, tls, user } = settings
  const timeoutMs = limits.emailConnectTimeoutMs
  const signal = AbortSignal.timeout(timeoutMs * 2)
  try {
    const policy = addressPolicy(allow, { anyPort: true })
    const options = { settings, policy, resolve: systemResolve(), ca: undefined, timeoutMs, signal }
    const session = await openMailSession(options, () => {})
    session.leave()
    const login = user === null ? 'without a login' : `logged in as ${user}`
    return { level: 'ok', detail: `${host}:${port} answers, ${TLS_WORDS[tls]}, ${login}`, fix: null }
  } catch (error) {
    const mask = createMask([settings.password ?? ''])
    const { code, message } = asMailError(error, { host, isLate: signal.aborted, mask })
    return { level: 'fail', detail: mask(message), fix: FIXES[code] ?? FIX }
  }
}

const FIX = 'compare email.url of manifold.yaml with what your mail provider says: host, port, smtp:// or smtps://'
const FIXES: Partial<Record<HubError['code'], string>> = {
  email_auth: 'mend user and password in email.url; many providers want a password made for programs',
  http_refused_address: 'its address is private: name it in network.allow of manifold.yaml',
  http_dns: 'mend the host in email.url of manifold.yaml',
}
