import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { chromium } from 'playwright-core';

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PICTURES = 'test-results/browser';

export type Name = 'alice' | 'bob' | 'eve';

/**
 * A person in front of the page: eyes, a keyboard and a mouse, nothing else. What the browser complains about meanwhile
 * is collected in `complaints`.
 */
export class Person {
  readonly page: Page;
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;
  readonly #profile: string;
  readonly #story: string;
  #pictures = 0;

  /** @param story names the screenshots */
  static async sitDown(url: string, story: string): Promise<Person> {
    const profile = mkdtempSync(join(tmpdir(), 'ephyra-browser-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      headless: true,
      args: ARGS,
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    context.setDefaultTimeout(20_000);
    const person = new Person(context, profile, story, context.pages()[0] ?? (await context.newPage()));
    await person.page.goto(url);
    await person.page.getByTestId('app-status').and(person.page.locator('.up')).waitFor();
    return person;
  }

  private constructor(context: BrowserContext, profile: string, story: string, page: Page) {
    this.#context = context;
    this.#profile = profile;
    this.#story = story;
    this.page = page;
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.message}`));
    page.on('response', (response) => {
      if (response.status() >= 400) this.complaints.push(`${response.status()} ${response.url()}`);
    });
  }

  /** Acts as somebody else from now on. */
  async become(name: Name): Promise<void> {
    await this.page.getByTestId(`person-${name}`).click();
    await this.page
      .getByTestId('composer')
      .and(this.page.getByLabel(`as ${name}`))
      .waitFor();
  }

  /** Writes into the channel, key by key, and sends it. */
  async type(text: string): Promise<void> {
    const box = this.page.getByTestId('composer');
    await box.click();
    await box.pressSequentially(text, { delay: 5 });
    await box.press('Enter');
  }

  /** The newest deployment's message in the channel. */
  get card(): Locator {
    return this.page
      .getByTestId('message')
      .filter({ has: this.page.locator('[data-block-id^="ephyra-card:"]') })
      .last();
  }

  get thread(): Locator {
    return this.page.getByTestId('thread');
  }

  /** The newest message that only the person acted as can see. */
  get answer(): Locator {
    return this.page.getByTestId('ephemeral').last();
  }

  /** Presses a button of the card and says yes to the question that follows. */
  async press(label: 'Approve' | 'Abort' | 'Stop'): Promise<void> {
    await this.card.getByRole('button', { name: label, exact: true }).click();
    await this.page.getByTestId('confirm-yes').click();
  }

  /** The tile of a node in a control plane. */
  tile(controlPlane: string, node: string): Locator {
    return this.page.getByTestId(`node-${controlPlane}-${node}`);
  }

  /** Nodes whose instance is ACTIVE there, as the tiles show it. */
  active(controlPlane: string): Locator {
    return this.page.locator(`[data-testid^="node-${controlPlane}-"][data-state="active"][data-instance="ACTIVE"]`);
  }

  async picture(what: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    this.#pictures += 1;
    const name = `${this.#story}-${String(this.#pictures).padStart(2, '0')}-${what}.png`;
    await this.page.screenshot({ path: join(PICTURES, name), animations: 'disabled' });
  }

  async leave(): Promise<void> {
    await this.#context.close();
    rmSync(this.#profile, { recursive: true, force: true });
  }
}
