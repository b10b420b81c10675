// How instants, stages and changes are written.

const DAY = 86_400_000;
const format = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit',
});
const dayOnly = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short', year: 'numeric' });

/** `14 Feb 2026, 00:00 UTC` */
export const instant = (text) => `${format.format(new Date(text))} UTC`;
export const day = (text) => dayOnly.format(new Date(text));
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** A sentence of the router with its instants as people write them. */
export const sentence = (text) => text.replaceAll('`', '').replace(/\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z/g, (found) => instant(found));

/** Whole days from `now` to an instant; negative in the past. */
export const days = (text, now) => Math.floor((new Date(text) - new Date(now)) / DAY);

/** `in 3 days`, `5 minutes ago` */
export function from(text, now) {
  const millis = new Date(text) - new Date(now);
  const size = Math.abs(millis);
  const unit = [[DAY, 'day'], [3_600_000, 'hour'], [60_000, 'minute'], [1000, 'second']].find(([one]) => size >= one);
  if (!unit) return 'just now';
  const words = count(Math.floor(size / unit[0]), unit[1]);
  return millis > 0 ? `in ${words}` : `${words} ago`;
}

/** The tone of a stage. */
export function tone(stage) {
  if (stage.startsWith('ramp')) return 'ramp';
  return { legacy: 'legacy', shadow: 'shadow', miaw: 'miaw', complete: 'miaw' }[stage] || 'soft';
}

export const ROUTES = { legacy: 'Live Agent', miaw: 'MIAW', refused: 'refused' };
export const PHASES = ['starting', 'requested', 'waiting', 'talking', 'ended'];
export const phaseTone = (phase) => ({ talking: 'good', waiting: 'warn', ended: 'soft' }[phase] || 'shadow');

/** What a change decided, as a sentence. */
export function action(one) {
  const whom = one.button ? ` for button ${one.button}` : '';
  const skipped = one.withoutEvidence ? ', without evidence' : '';
  switch (one.kind) {
    case 'stage': return `Stage ${one.stage}${whom}${skipped}`;
    case 'follow': return `Follow the file${whom}${skipped}`;
    case 'rollBack': return `Rolled back${whom}`;
    case 'freeze': return 'Froze the plan';
    case 'unfreeze': return 'Let the plan go on';
    case 'brownout': return `Brown-out from ${instant(one.from)} until ${instant(one.until)}`;
    case 'endBrownout': return 'Ended the brown-out';
    case 'acknowledge': return `Vouched for legacy until ${instant(one.until)}`;
    case 'withdrawAcknowledgement': return 'Withdrew the vouching for legacy';
    case 'evidence': if (one.report) return `Signed report ${one.report.slice(0, 12)}: ${count(one.errors, 'error')}`;
      return `Evidence: ${count(one.errors, 'error')}, report ${one.hash.slice(0, 12)}`;
    case 'pastRemoval': return `Legacy was seen to be gone at ${instant(one.seen)}`;
    case 'undoPastRemoval': return 'Took back that legacy is gone';
    default: return `A change this version does not know (${one.kind})`;
  }
}

/** The age of a report, and whether to worry. */
export function evidence(found, now) {
  if (!found) return ['soft', 'none'];
  const text = `${from(found.madeAt, now)}, ${count(found.errors, 'error')}`;
  return [found.errors ? 'bad' : 'good', text];
}
