/** The work of every target: one submission of six fields, about 470 bytes, with its number and the time it left. */

/** Milliseconds since the epoch with fractions; the same clock in every process of this machine. */
export const preciseNowMs = (): number => performance.timeOrigin + performance.now()

const NUMBER_CHARS = 12
const MESSAGE =
  'We are looking for a way to collect the answers of our visitors and to pass them on to the people who look after them, ' +
  'without copying anything by hand, and would like to see how your product does it in a workshop next month.'

/** `run` tells the runs apart, so that a late delivery of one cannot count in the next. */
export function submissionBody(run: string, number: number, sentAtMs: number): string {
  const n = String(number).padStart(NUMBER_CHARS, '0')
  return `{"form_id":"bench","data":{"n":"${run}-${n}","sent_at":"${sentAtMs.toFixed(3)}","name":"Ada Example","email":"ada.example@mail.example","budget":12500,"message":"${MESSAGE}"}}`
}

/** The form of that submission, for the targets that want to know it. */
export const BENCH_FORM = {
  name: 'Bench',
  access: 'key',
  fields: [
    { key: 'n', label: 'Number', type: 'text', required: true },
    { key: 'sent_at', label: 'Sent at', type: 'text', required: true },
    { key: 'name', label: 'Name', type: 'text' },
    { key: 'email', label: 'E-mail', type: 'email' },
    { key: 'budget', label: 'Budget', type: 'number' },
    { key: 'message', label: 'Message', type: 'long_text' },
  ],
} as const

const N_MARK = '"n":"'
const SENT_MARK = '"sent_at":"'

/** Finds number and time in whatever a target made of the submission, without parsing it. */
export function readPayload(body: string): { readonly n: string; readonly sentAtMs: number } | null {
  const n = between(body, N_MARK)
  const sentAt = between(body, SENT_MARK)
  return n === null || sentAt === null ? null : { n, sentAtMs: Number(sentAt) }
}

function between(text: string, mark: string): string | null {
  const start = text.indexOf(mark)
  if (start < 0) return null
  return text.slice(start + mark.length, text.indexOf('"', start + mark.length))
}
