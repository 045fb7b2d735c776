// Both forms of every loop give what the formulas say, for rows of all lengths.

import Glibc
import LinearAlgebra
import Platform
import Testing

private func matrix(_ rowCount: Int, _ columnCount: Int, seed: Int) -> Matrix {
    let matrix = Matrix(zeros: rowCount, columnCount)
    for row in 0..<rowCount {
        for column in 0..<columnCount {
            let number = (row * 7_919 + column * 104_729 + seed * 15_485_863) % 1_000
            matrix[row, column] = Float(number) / 100 - 5
        }
    }
    return matrix
}

private let forms = Processor.hasWideVectors ? [false, true] : [false]
private let lengths = [1, 3, 7, 8, 9, 16, 31, 40]

@Suite struct StepTests {
    private func reference(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .gelu: x * 0.5 * (1 + erf(x / 2.squareRoot()))
        case .geluTanh: 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x * x * x)))
        case .relu: max(x, 0)
        case .silu: x / (1 + exp(-x))
        case .tanh: tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .identity: x
        case .selu: 1.05070098 * (x > 0 ? x : 1.67326324 * expm1(x))
        case .softplus: log1p(exp(x))
        case .hardSigmoid: min(max(0.2 * x + 0.5, 0), 1)
        case .exponential: exp(x)
        case .elu(let slope): x > 0 ? x : Double(slope) * expm1(x)
        case .leakyReLU(let slope): x > 0 ? x : Double(slope) * x
        }
    }

    @Test(arguments: [
        Activation.gelu, .geluTanh, .relu, .silu, .tanh, .sigmoid, .identity, .selu, .softplus,
        .hardSigmoid, .exponential, .elu(slope: 0.5), .leakyReLU(slope: 0.3),
    ])
    func activationsFollowTheirFormulas(_ activation: Activation) {
        for isWide in forms {
            for length in lengths {
                let input = matrix(3, length, seed: length)
                let output = matrix(3, length, seed: length)
                let bias = (0..<length).map { Float($0) / 10 - 1 }
                output.activate(activation, bias: bias, isWide: isWide)
                for row in 0..<3 {
                    for column in 0..<length {
                        let x = Double(input[row, column] + bias[column])
                        let expected = reference(activation, x)
                        let error = abs(Double(output[row, column]) - expected)
                        #expect(error < 2e-6 * max(1, abs(expected)), "\(activation) of \(x)")
                    }
                }
            }
        }
    }

    @Test func activationsOfWhatIsNoNumberAreNone() {
        for isWide in forms {
            for activation in [Activation.gelu, .tanh, .sigmoid, .relu, .silu, .exponential] {
                let row = Matrix(zeros: 1, 9)
                row.fill(.nan)
                row.activate(activation, isWide: isWide)
                for column in 0..<9 { #expect(row[0, column].isNaN, "\(activation)") }
            }
        }
    }

    @Test func softmaxIsOne() {
        for isWide in forms {
            for length in lengths {
                let input = matrix(4, length, seed: 3)
                let output = matrix(4, length, seed: 3)
                let distances = (0..<length + 7).map { Float($0 % 5) / 3 }
                output.softmax(scale: 0.7, distances: distances, origin: 5, isWide: isWide)
                for row in 0..<4 {
                    let powers = (0..<length).map { column in
                        exp(Double(input[row, column] * 0.7 + distances[5 + column - row]))
                    }
                    let sum = powers.reduce(0, +)
                    for column in 0..<length {
                        #expect(abs(Double(output[row, column]) - powers[column] / sum) < 1e-6)
                    }
                }
                let plain = matrix(1, length, seed: 1)
                plain.fill(80)
                plain.softmax(isWide: isWide)
                #expect(abs(plain[0, 0] - 1 / Float(length)) < 1e-6)
            }
        }
    }

    @Test func rowsAreNormalized() {
        for isWide in forms {
            for length in lengths {
                let (input, residual) = (matrix(2, length, seed: 5), matrix(2, length, seed: 6))
                let output = matrix(2, length, seed: 5)
                let weight = (0..<length).map { Float($0) / 7 + 0.5 }
                let offset = (0..<length).map { Float($0) / 9 }
                output.normalize(
                    bias: weight, residual: residual, weight: weight, offset: offset,
                    epsilon: 1e-5, isWide: isWide)
                for row in 0..<2 {
                    let values = (0..<length).map {
                        Double(input[row, $0] + weight[$0] + residual[row, $0])
                    }
                    let mean = values.reduce(0, +) / Double(length)
                    let variance =
                        values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(length)
                    for column in 0..<length {
                        let normal = (values[column] - mean) / (variance + 1e-5).squareRoot()
                        let expected = normal * Double(weight[column]) + Double(offset[column])
                        #expect(abs(Double(output[row, column]) - expected) < 1e-4)
                    }
                }
            }
        }
    }

    @Test func rowsAreAddedAndCompared() {
        for isWide in forms {
            for length in lengths {
                let (own, other) = (matrix(1, length, seed: 1), matrix(2, length, seed: 2))
                let before = own.array(row: 0)
                own.add(0.5, row: 1, of: other, isWide: isWide)
                for column in 0..<length {
                    #expect(abs(own[0, column] - (before[column] + 0.5 * other[1, column])) < 1e-5)
                }
                let sum = own.array(row: 0)
                own.maximize(row: 0, of: other, isWide: isWide)
                for column in 0..<length {
                    #expect(own[0, column] == max(sum[column], other[0, column]))
                }
            }
        }
    }
}

@Suite struct ProductTests {
    @Test func productsAreThoseOfTheFormula() {
        for (rowCount, depth, columnCount) in [(1, 1, 1), (3, 5, 4), (17, 33, 9), (2, 100, 64)] {
            let (left, right) = (matrix(rowCount, depth, seed: 1), matrix(columnCount, depth, seed: 2))
            let output = Matrix(zeros: rowCount, columnCount + 3)
            let part = output.columns(2..<columnCount + 2)
            part.setProduct(left, transposed: right)
            let flat = (0..<columnCount).flatMap { right.array(row: $0) }
            let same = Matrix(zeros: rowCount, columnCount)
            same.setProduct(left, transposed: flat.span)
            for row in 0..<rowCount {
                for column in 0..<columnCount {
                    let expected = (0..<depth).reduce(0.0) {
                        $0 + Double(left[row, $1]) * Double(right[column, $1])
                    }
                    #expect(abs(Double(part[row, column]) - expected) < 1e-2)
                    #expect(abs(part[row, column] - same[row, column]) < 1e-3)
                }
                #expect(output[row, 0] == 0 && output[row, columnCount + 2] == 0)
            }
            let back = Matrix(zeros: rowCount, depth)
            back.setProduct(same, right)
            let again = Matrix(zeros: rowCount, depth)
            again.setProduct(same, flat.span)
            #expect(back.array(row: rowCount - 1) == again.array(row: rowCount - 1))
        }
    }

    @Test func aTeamMeetsAndSharesAll() {
        let team = Team(threadCount: 4)
        let log = Lock<[[Int]]>([[], []])
        for _ in 0..<200 {
            team.run { member in
                let share = member.share(of: 103, unit: 5)
                log.withLock { $0[0].append(share.count) }
                member.meet()
                // All have written before anybody goes on.
                let sum = log.withLock { $0[0].reduce(0, +) }
                log.withLock { $0[1].append(sum) }
                member.meet()
                if member.index == 0 { log.withLock { $0[0] = [] } }
                member.meet()
            }
        }
        #expect(log.withLock { $0[1].allSatisfy { $0 == 103 } && $0[1].count == 800 })
    }

    @Test func aTeamAtWorkLetsOthersWorkAlone() {
        let team = Team(threadCount: 2)
        let counts = Lock<[Int]>([])
        team.run { member in
            if member.index == 0 { team.run { inner in counts.withLock { $0.append(inner.count) } } }
            member.meet()
        }
        #expect(counts.withLock { $0 } == [1])
    }
}
