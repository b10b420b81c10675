// A client of Salesforce's legacy Live Agent REST API, as bots and widgets have it. It knows nothing of
// a bridge: to the real service it would speak in exactly the same way.

import { pause } from './dom.js';

const VERSION = '47';
const RETRY_MS = 2000;
const RETRIES_MAX = 5;
// A load balancer's answer while nobody is behind it: the same request is tried again.
const NOBODY = 502;
const NOBODY_MS = 700;
const NOBODY_TRIES_MAX = 60;
const LOG_MAX = 200;

export class LiveAgentClient {
  /**
   * `on` has the functions `message(type, message)`, `log(entry)` and `over()`.
   */
  constructor(base, ids, on) {
    this.base = base;
    this.ids = ids;
    this.on = on;
    this.sequence = 0;
    this.posts = Promise.resolve();
    this.over = false;
    this.log = [];
    this.left = new AbortController();
  }

  /** Session, ChasitorInit, first poll. */
  async start(prechat) {
    const answer = await this.call('GET', 'System/SessionId');
    if (answer.status !== 200) throw new Error(`SessionId was answered ${answer.status}`);
    this.session = JSON.parse(answer.text);
    this.letter = answer.letter;
    await this.post('Chasitor/ChasitorInit', {
      ...this.ids,
      sessionId: this.session.id,
      userAgent: navigator.userAgent,
      language: navigator.language,
      screenResolution: `${window.screen.width}x${window.screen.height}`,
      visitorName: `${prechat.firstName} ${prechat.lastName}`,
      ...prechatOf(prechat),
      receiveQueueUpdates: true,
      isPost: true,
    });
    this.poll();
  }

  say(text) { return this.post('Chasitor/ChatMessage', { text }); }
  typing(on) { return this.post(`Chasitor/Chasitor${on ? '' : 'Not'}Typing`, {}); }
  end() { return this.post('Chasitor/ChatEnd', { reason: 'client' }); }

  /** POSTs go one after the other, numbered from 1. */
  post(noun, body) {
    const next = this.posts.then(async () => {
      if (this.over) throw new Error('the chat is over');
      this.sequence += 1;
      let answer = await this.call('POST', noun, body, this.sequence);
      for (let tries = 0; answer.status === NOBODY && tries < NOBODY_TRIES_MAX; tries += 1) {
        await pause(NOBODY_MS);
        answer = await this.call('POST', noun, body, this.sequence);
      }
      if (answer.status === 403) this.finish();
      if (answer.status !== 200) throw new Error(`${noun} was answered ${answer.status}`);
    });
    this.posts = next.catch(() => {});
    return next;
  }

  async poll() {
    let ack = -1;
    let failures = 0;
    let nobody = 0;
    for (let count = 0; !this.over; count += 1) {
      let answer = null;
      try {
        answer = await this.call('GET', `System/Messages?ack=${ack}&pc=${count}`);
      } catch {
        answer = { status: 0 };
      }
      if (answer.status === NOBODY && nobody < NOBODY_TRIES_MAX) {
        nobody += 1;
        await pause(NOBODY_MS);
        continue;
      }
      nobody = 0;
      if (answer.status === 200) {
        failures = 0;
        const payload = JSON.parse(answer.text);
        ack = payload.sequence;
        for (const { type, message } of payload.messages) this.handle(type, message);
      } else if (answer.status === 403) {
        this.finish();
      } else if (answer.status !== 204 && !this.over) {
        failures += 1;
        if (failures > RETRIES_MAX) this.finish();
        else await pause(RETRY_MS);
      }
    }
  }

  handle(type, message) {
    this.on.message(type, message);
    if (type === 'ChatEnded' || type === 'ChatRequestFail') this.finish();
  }

  finish() {
    if (this.over) return;
    this.over = true;
    this.on.over();
  }

  /** Goes away without a word, as a closed window does. */
  leave() {
    this.over = true;
    this.left.abort();
  }

  async call(method, noun, body, sequence) {
    const headers = {
      'X-LIVEAGENT-API-VERSION': VERSION,
      'X-LIVEAGENT-AFFINITY': this.session ? this.session.affinityToken : 'null',
    };
    if (this.session) headers['X-LIVEAGENT-SESSION-KEY'] = this.session.key;
    if (sequence) headers['X-LIVEAGENT-SEQUENCE'] = String(sequence);
    if (body) headers['Content-Type'] = 'application/json';
    const entry = { method, path: `/chat/rest/${noun}`, headers, body, status: null, answer: '' };
    this.log.push(entry);
    if (this.log.length > LOG_MAX) this.log.shift();
    this.on.log();
    try {
      const answer = await fetch(`${this.base}${entry.path}`, {
        method,
        headers,
        cache: 'no-store',
        signal: this.left.signal,
        body: body && JSON.stringify(body),
      });
      entry.answer = await answer.text();
      entry.status = answer.status;
      const letter = answer.headers.get('x-demo-chat');
      return { status: entry.status, text: entry.answer, letter };
    } finally {
      if (entry.status === null) entry.status = 0;
      this.on.log();
    }
  }
}

/** The pre-chat form in the shape in which Cognigy sends it. */
function prechatOf({ firstName, lastName, email, subject }) {
  const detail = (label, value, entityName) => ({
    label,
    value,
    entityMaps: [{ entityName, fieldName: label }],
    transcriptFields: [`${label}__c`],
    displayToAgent: true,
  });
  const field = (name) => ({
    fieldName: name, label: name, doFind: true, isExactMatch: true, doCreate: true,
  });
  return {
    prechatDetails: [
      detail('LastName', lastName, 'contact'),
      detail('FirstName', firstName, 'contact'),
      detail('Email', email, 'contact'),
      detail('Subject', subject, 'case'),
    ],
    prechatEntities: [{
      entityName: 'Contact',
      saveToTranscript: 'Contact',
      linkToEntityName: 'Case',
      linkToEntityField: 'ContactId',
      showOnCreate: true,
      entityFieldsMaps: [field('LastName'), field('FirstName'), field('Email')],
    }],
  };
}
