/** The numbers that the rooms of a test tell, by name. */
import type { Meter } from '../../core/observe/observe.ts'

/** A meter that only counts. */
export function countingMeter(counts: Map<string, number>): Meter {
  const count = (name: string, by = 1): void => void counts.set(name, (counts.get(name) ?? 0) + by)
  return {
    responseAccepted: (kind, by) => count(`accepted ${kind}`, by),
    responseRejected: (code) => count(`rejected ${code}`),
    eventTracked: (kind, by) => count(`tracked ${kind}`, by),
    transformed: (installation, outcome) => count(`transformed ${installation} ${outcome}`),
    eventsHandled: (installation, by) => count(`handled ${installation}`, by),
    attempt: (installation, outcome) => count(`attempt ${installation} ${outcome}`),
    handlerFailed: (installation, code) => count(`handler ${installation} ${code}`),
    sandboxRestart: () => count('restart'),
    pluginMetric: (installation, name, by) => count(`metric ${installation} ${name}`, by),
    endToEnd: (installation) => count(`end to end ${installation}`),
    breaker: (installation, state) => count(`breaker ${installation} ${state}`),
    configReload: () => count('reload'),
    responseCame: (workspace) => count(`came ${workspace}`),
    deliveryMade: (workspace) => count(`made ${workspace}`),
    deliveryFailed: (workspace) => count(`failed ${workspace}`),
  }
}
