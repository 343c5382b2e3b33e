// Webhook signatures as the providers' own libraries make and check them; Meta has none, there it is the documented HMAC.
//
//   node signatures.mjs          prints deliveries, right and wrong, and whether the library takes each
//   node signatures.mjs check    reads deliveries in the same form and prints for each whether the library takes it
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'node:querystring';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';
import twilio from 'twilio';

const { webhooks } = new Stripe('sk_test_none');
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const NOW = 1_800_000_000;

const isTaken = {
  stripe: ({ body, header, key, now }) => {
    try {
      return webhooks.signature.verifyHeader(body, header, key, 300, undefined, now * 1000);
    } catch {
      return false;
    }
  },
  // As the library's own middleware decides: by the address, not by the type of the body.
  twilio: ({ url, body, header, key }) =>
    url.includes('bodySHA256')
      ? twilio.validateRequestWithBody(key, header, url, body)
      : twilio.validateRequest(key, header, url, parse(body)),
  whatsapp: ({ body, header, key }) => {
    const own = Buffer.from(hub(key, body));
    const theirs = Buffer.from(header);
    return own.length === theirs.length && timingSafeEqual(own, theirs);
  },
  // What we sign, for whoever listens: by the clock, which the library asks itself.
  standard: ({ body, headers, key }) => {
    try {
      new Webhook(key).verify(body, headers);
      return true;
    } catch {
      return false;
    }
  },
};

const hub = (secret, body) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

const stripeHeader = (body, secret, timestamp = NOW) =>
  webhooks.generateTestHeaderString({ payload: body, secret, timestamp });

function* stripeCases() {
  const body = '{"id":"evt_1","object":"event","name":"Müller \\u00fc 💪"}';
  const [right, old] = [stripeHeader(body, 'whsec_new'), stripeHeader(body, 'whsec_old')];
  const ofOld = old.slice(old.indexOf(',') + 1);
  const header = (name, header, more) => ({ name, body, header, key: 'whsec_new', now: NOW, ...more });
  yield header('its own secret', right);
  yield header('another secret', old);
  yield header('a secret that is rolled, the old one first', right.replace(',', `,${ofOld},`));
  yield header('a secret that is rolled, the new one first', `${right},${ofOld}`);
  yield header('the rolled secret, known to who has not changed yet', `${right},${ofOld}`, { key: 'whsec_old' });
  yield header('another body', right, { body: `${body} ` });
  yield header('a body whose escapes were written out', right, { body: body.replace('\\u00fc', 'ü') });
  yield header('no body', right, { body: '' });
  yield header('another scheme only', right.replace('v1=', 'v0='));
  yield header('another scheme beside it', `${right},v0=${'0'.repeat(64)}`);
  yield header('five minutes old', right, { now: NOW + 300 });
  yield header('a second older than that', right, { now: NOW + 301 });
  yield header('another time than the signed one', right.replace(String(NOW), String(NOW + 1)));
  yield header('five minutes in the future', right, { now: NOW - 300 });
  yield header('more than that in the future', right, { now: NOW - 301, strict: 'a clock that is off is told, not hidden' });
  yield header('no time', right.slice(right.indexOf(',') + 1));
  yield header('no signature', `t=${NOW}`);
}

function* twilioCases() {
  const sign = (url, params, token) => twilio.getExpectedTwilioSignature(token, url, params);
  const token = 'primary';
  const base = 'https://studio.example';
  const text = 'AccountSid=AC1&Body=Hallo+Welt%21+1%2B1%3D2&From=%2B4930123&To=whatsapp%3A%2B4930456&Empty=';
  const form = (name, url, body, more = {}) => {
    const { signed = url, as = body, key = token, ...others } = more;
    return { name, url, contentType: FORM, body, header: sign(signed, parse(as), key), key: token, ...others };
  };
  const sms = `${base}/webhooks/twilio/sms?workspace=1&x=a%20b+c`;
  yield form('a form', sms, text);
  yield form('another token', sms, text, { key: 'secondary' });
  yield form('the parameters in another order', sms, text.split('&').reverse().join('&'), { as: text });
  yield form('a parameter changed', sms, text.replace('Hallo', 'Hello'), { as: text });
  yield form('a parameter more', sms, `${text}&More=1`, { as: text });
  yield form('a parameter less', sms, text.replace('&Empty=', ''), { as: text });
  yield form('a plus that was read as a space', sms, text.replace('1%2B1', '1+1'), { as: text });
  yield form('a space written as %20', sms, text.replace('Hallo+Welt', 'Hallo%20Welt'), { as: text });
  yield form('repeated parameters', sms, 'Media=b&Media=a&Media=b&Body=x');
  yield form('repeated parameters in another order', sms, 'Media=a&Media=b&Body=x', { as: 'Media=b&Media=a&Media=b&Body=x' });
  yield form('repeated parameters with one less', sms, 'Media=a&Body=x', { as: 'Media=b&Media=a&Body=x' });
  yield form('names in capitals before small ones', sms, 'b=1&B=2&a=3&A=4');
  yield form('every Unicode', sms, `Body=${encodeURIComponent('Müller 💪 日本 \u0000 &=+%')}`);
  yield form('no parameters', sms, '');
  yield form('another path', sms, text, { signed: sms.replace('/sms', '/voice') });
  yield form('another query', sms, text, { signed: sms.replace('workspace=1', 'workspace=2') });
  yield form('a query in another spelling', sms, text, { signed: sms.replace('%20', '+') });
  yield form('http', sms, text, { signed: sms.replace('https', 'http') });
  yield form('signed with the standard port', sms, text, { signed: sms.replace('.example', '.example:443') });
  yield form('signed without the port', sms.replace('.example', '.example:8443'), text, { signed: sms });
  yield form('signed with the port', sms.replace('.example', '.example:8443'), text);
  yield form('signed with another port', sms.replace('.example', '.example:8443'), text, { signed: sms.replace('.example', '.example:8444') });
  yield form('the standard port of http', sms.replace('https', 'http'), text, { signed: sms.replace('https', 'http').replace('.example', '.example:80') });
  yield form('credentials in the address', sms.replace('://', '://user:99@'), text);
  yield form('credentials and a port', sms.replace('://', '://user:99@'), text, { signed: sms.replace('://', '://user:99@').replace('.example', '.example:443') });
  yield form('an IPv6 address', 'https://[::1]:8443/sms', text, { signed: 'https://[::1]/sms' });
  yield form('no path', base, text);
  yield { ...form('no signature', sms, text), header: '' };
  const body = '{"specversion":"1.0","data":{"name":"Müller \\u00fc"}}';
  const hash = twilio.getExpectedBodyHash(body);
  const json = (name, query, more = {}) => {
    const url = `${base}/webhooks/twilio/events?${query}`;
    return { name, url, contentType: JSON_TYPE, body, header: sign(url, {}, token), key: token, ...more };
  };
  yield json('JSON', `bodySHA256=${hash}`);
  yield json('JSON among other parameters', `a=1&bodySHA256=${hash}&b=2`);
  yield json('another body than the hash says', `bodySHA256=${hash}`, { body: `${body} ` });
  yield json('another hash than the body has', `bodySHA256=${hash.replace(/./, (c) => (c === '0' ? '1' : '0'))}`);
  yield json('a hash of no body', `bodySHA256=${twilio.getExpectedBodyHash('')}`, { body: '' });
  yield json('the hash of a form, whose parameters are not signed then', `bodySHA256=${twilio.getExpectedBodyHash(text)}`, { contentType: FORM, body: text });
  yield json('a form in place of the JSON that was signed', `bodySHA256=${hash}`, { contentType: FORM, body: '' });
}

function* whatsappCases() {
  const body = '{"object":"whatsapp_business_account","name":"M\\u00fcller"}';
  const header = (name, header, more) => ({ name, body, header, key: 'app-secret', ...more });
  const right = hub('app-secret', body);
  yield header('its own secret', right);
  yield header('another secret', hub('verify-token', body));
  yield header('a body whose escapes were written out', right, { body: body.replace('\\u00fc', 'ü') });
  yield header('no body', hub('app-secret', ''), { body: '' });
  yield header('without its scheme', right.slice('sha256='.length));
  yield header('the older scheme', `sha1=${createHmac('sha1', 'app-secret').update(body).digest('hex')}`);
  yield header('a digit less', right.slice(0, -1));
  yield header('nothing', '');
}

if (process.argv[2] === 'check') {
  const deliveries = JSON.parse(readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(deliveries.map((one) => isTaken[one.provider](one))));
} else {
  const all = { stripe: stripeCases(), twilio: twilioCases(), whatsapp: whatsappCases() };
  const answered = Object.entries(all).map(([provider, cases]) => [
    provider,
    [...cases].map((one) => ({ ...one, taken: isTaken[provider](one) })),
  ]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(answered), null, 2)}\n`);
}
