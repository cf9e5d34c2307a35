/** The time line of a delivery: every attempt, what was sent, what came back, and how long it waited in between. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { MASKED } from '../../model.ts'
import type { AttemptRow, DeliveryDetail, Exchange, LogLine } from '../wire.ts'
import { chip, toneOf } from './chip.ts'
import type { Tone } from './chip.ts'
import { curl } from './curl.ts'
import { code, mono } from './facts.ts'
import { span, time } from './time.ts'

export function attemptTimeline(
  { attempt_log: attempts, created_at: createdAt, state }: DeliveryDetail,
  nowMs: number,
): Html {
  if (attempts.length === 0) return html`<p class="soft">It has not been tried yet.</p>`
  const last = attempts.length - 1
  return html`<ol class="timeline">${attempts.map((attempt, at) => {
    const before = attempts[at - 1]
    const sinceMs = Date.parse(attempt.at) - (before === undefined ? Date.parse(createdAt) : endMs(before))
    const isLast = at === last
    const ended = endOf(attempt, isLast && state === 'dead')
    return html`<li class="${ended.tone}">${one(attempt, { nowMs, isLast, ended, waitedMs: sinceMs })}</li>
`
  })}</ol>`
}

const endMs = ({ at, duration_ms: durationMs }: AttemptRow): number => Date.parse(at) + durationMs

interface End {
  readonly word: string
  readonly tone: Tone
}

/** That an attempt may be made again says nothing of whether it will be: the last one of a dead delivery is what it died of. */
function endOf({ outcome }: AttemptRow, isDeath: boolean): End {
  if (outcome !== 'retry') return { word: outcome, tone: toneOf(outcome) }
  return isDeath ? { word: 'dead', tone: 'bad' } : { word: 'failed', tone: 'warn' }
}

/** A wait that is shorter says nothing. */
const WAIT_SHOWN_MS = 500

function one(
  attempt: AttemptRow,
  {
    nowMs,
    isLast,
    ended,
    waitedMs,
  }: { readonly nowMs: number; readonly isLast: boolean; readonly ended: End; readonly waitedMs: number },
): Html {
  const { n, at, duration_ms: durationMs, error, error_code: errorCode } = attempt
  return html`${waitedMs < WAIT_SHOWN_MS ? null : html`<p class="waited soft">waited ${span(waitedMs)}</p>`}
<p class="attempt"><strong>Try ${n}</strong> ${chip(ended.word, ended.tone)} <span class="soft">${time(at, nowMs)} · ${span(durationMs)}</span></p>
${error === null ? null : html`<p>${error}${errorCode === null ? null : html` ${mono(errorCode)}`}</p>`}
${attempt.exchanges.map((exchange, index) => exchangeOf(exchange, isLast && index === attempt.exchanges.length - 1))}
${logLines(attempt.logs)}`
}

/** Request and answer; secrets were masked when they were written down. */
const exchangeOf = (exchange: Exchange, isOpen: boolean): Html => {
  const command = curl(exchange)
  return html`<details class="exchange"${isOpen ? html` open` : null}>
<summary><code>${exchange.method}</code> <span class="url">${exchange.url}</span> ${status(exchange)} <span class="soft">${span(exchange.duration_ms)}</span></summary>
<div class="sides">
<div><h3>Request</h3>${headers(exchange.request_headers)}${exchange.request_body === null ? null : code(exchange.request_body)}</div>
<div><h3>Answer</h3>${exchange.error === null ? null : html`<p class="error">${exchange.error}</p>`}${headers(exchange.response_headers)}${answerBody(exchange)}</div>
</div>
${exchange.truncated ? html`<p class="soft">Bodies are cut at 64 KiB.</p>` : null}
<details class="curl"><summary>As curl</summary>${code(command)}${command.includes(MASKED) ? html`<p class="soft">Put the secret in where it says <code>${MASKED}</code>.</p>` : null}</details>
</details>`
}

function answerBody({ status: answered, response_body: body }: Exchange): Html | null {
  if (body === null) return answered === null ? null : html`<p class="soft">Its body is not shown to this key.</p>`
  return body === '' ? html`<p class="soft">No body.</p>` : code(body)
}

function status({ status: answered, error }: Exchange): Html {
  if (answered === null) return chip(error === null ? 'no answer' : 'failed', 'bad')
  return chip(String(answered), answered < 300 ? 'good' : answered < 400 ? 'info' : answered < 500 ? 'bad' : 'warn')
}

const headers = (all: Readonly<Record<string, string>>): Html | null => {
  const entries = Object.entries(all)
  if (entries.length === 0) return null
  return html`<dl class="headers">${entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** What the plugin said. */
export const logLines = (lines: readonly LogLine[]): Html | null =>
  lines.length === 0
    ? null
    : html`<ul class="log">${lines.map(({ level, message, at }) => html`<li>${chip(level)} ${at === undefined ? null : html`<span class="soft">${at.slice(11, 23)}</span>`} ${message}</li>`)}</ul>`
