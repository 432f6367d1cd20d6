import { describe, expect, it } from 'vitest';
import { applicationNode } from '../../../src/actors/application.ts';
import { BACK, FORWARD, instance, MARK } from '../../machines/observations.ts';

const THERE = ['10.2.0.7'];

describe('the addresses of a node where it leaves', () => {
  it('are those of its instance', () => {
    const before = applicationNode(BACK, [instance({ addresses: THERE })], [], MARK).addressesBefore;
    expect(before).toEqual(THERE);
  });

  it('are those of what ran there, once that is gone', () => {
    expect(applicationNode(FORWARD, [], [], MARK).addressesBefore).toEqual(['10.1.0.11']);
  });

  it('are those of what ran in the source when the instance in the target never got any: nobody knows others', () => {
    const building = instance({ status: 'BUILD', addresses: [] });
    expect(applicationNode(BACK, [building], [], MARK).addressesBefore).toEqual(['10.1.0.11']);
  });

  it('are those when the instance in the target is gone before it had any', () => {
    expect(applicationNode(BACK, [], [], MARK).addressesBefore).toEqual(['10.1.0.11']);
  });
});
